// bench_data.cpp - farthing bench data: what threads, cache, compression and read-ahead buy.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "data/prefetch.h"
#include "data/shard_bytes.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct BenchDataOptions {
  std::string data;
  int sequence_length = 512;
  int batch = 8;  // samples a step
  int steps = 40;
  double step_ms = 20;  // of computing, simulated by waiting
  double disk_mb = 30;  // of the slow disk, MB a second
  double latency_ms = 2;
  bool json = false;
};

struct Variant {
  const char* name;
  std::int64_t cache_bytes;
  int threads;  // that read ahead; 0: reads when asked
  bool compressed;
};

constexpr Variant kVariants[] = {
    {"read when asked", 0, 0, false},
    {"read ahead, 1 thread", 0, 1, false},
    {"read ahead, 4 threads", 0, 4, false},
    {"zstd, read when asked", 1, 0, true},
    {"zstd, 64 MiB cache", 64 << 20, 0, true},
    {"zstd, cache, 1 thread ahead", 64 << 20, 1, true},
    {"zstd, cache, 4 threads ahead", 64 << 20, 4, true},
};

// The shard twice, as it is and compressed, in a folder that goes away.
struct Copies {
  explicit Copies(const std::string& prefix)
      : folder(fs::temp_directory_path() / ("farthing-bench-data-" + std::to_string(getpid()))) {
    for (const char* extension : {".bin", ".idx"}) {
      const fs::path of = fs::absolute(prefix + extension);
      if (!fs::exists(of)) throw_bad_input({of.string(), "no such file", "", "", ""});
    }
    for (const char* kind : {"plain", "packed"}) {
      fs::create_directories(folder / kind);
      for (const char* extension : {".bin", ".idx"}) {
        const fs::path of = fs::absolute(prefix + extension);
        fs::create_symlink(of, folder / kind / (std::string("train") + extension));
      }
    }
    plain_bytes = static_cast<std::int64_t>(fs::file_size(this->prefix(false) + ".bin"));
    packed_bytes = compress_shard(this->prefix(true));
    fs::remove(this->prefix(true) + ".bin");
  }
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;
  ~Copies() {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
  std::string prefix(bool compressed) const {
    return (folder / (compressed ? "packed" : "plain") / "train").string();
  }
  fs::path folder;
  std::int64_t plain_bytes = 0, packed_bytes = 0;
};

// Seconds that a step waited for its samples, and seconds of all steps.
struct Waited {
  double wait = 0, all = 0;
};

Waited run(const BenchDataOptions& options, const Copies& copies, const Variant& variant,
           bool slow) {
  SampleOptions how;
  if (variant.compressed) how.access.cache_bytes = variant.cache_bytes;
  if (slow) {
    how.access.bytes_per_second = options.disk_mb * 1e6;
    how.access.seconds_per_read = options.latency_ms * 1e-3;
  }
  std::unique_ptr<SampleStream> stream = std::make_unique<SampleSource>(
      copies.prefix(variant.compressed), options.sequence_length, 1, how);
  if (variant.threads > 0) {
    stream =
        std::make_unique<PrefetchedStream>(std::move(stream), 2 * options.batch, variant.threads);
  }
  Sample sample;
  Waited waited;
  const Clock::time_point begin = Clock::now();
  for (std::int64_t step = 0; step < options.steps; ++step) {
    const Clock::time_point asked = Clock::now();
    for (int i = 0; i < options.batch; ++i) stream->read(step * options.batch + i, sample);
    waited.wait += std::chrono::duration<double>(Clock::now() - asked).count();
    std::this_thread::sleep_for(std::chrono::duration<double>(options.step_ms * 1e-3));
  }
  waited.all = std::chrono::duration<double>(Clock::now() - begin).count();
  return waited;
}

void bench_data_command(const BenchDataOptions& options) {
  const Copies copies(train_prefix(options.data));
  Json rows = Json::array();
  std::vector<std::vector<std::string>> table = {
      {"disk", "loading", "wait a step", "share", "steps, x"}};
  ProgressLine progress;
  for (const bool slow : {false, true}) {
    double plain_seconds = 0;
    for (const Variant& variant : kVariants) {
      progress.show(variant.name);
      const Waited waited = run(options, copies, variant, slow);
      if (plain_seconds == 0) plain_seconds = waited.all;
      const double share = waited.wait / waited.all, speed = plain_seconds / waited.all;
      rows.push_back({{"disk", slow ? "slow" : "fast"},
                      {"loading", variant.name},
                      {"wait_seconds_per_step", waited.wait / options.steps},
                      {"data_wait_share", share},
                      {"speedup", speed}});
      table.push_back({slow ? "slow" : "as it is", variant.name,
                       fmt::format("{:.3f} ms", 1e3 * waited.wait / options.steps),
                       fmt::format("{:.2f} %", 100 * share), fmt::format("{:.2f}", speed)});
    }
  }
  progress.end();
  if (options.json) {
    return print_json({{"rows", rows},
                       {"plain_bytes", copies.plain_bytes},
                       {"compressed_bytes", copies.packed_bytes},
                       {"sequence_length", options.sequence_length},
                       {"batch", options.batch},
                       {"steps", options.steps},
                       {"step_seconds", options.step_ms * 1e-3},
                       {"slow_bytes_per_second", options.disk_mb * 1e6},
                       {"slow_seconds_per_read", options.latency_ms * 1e-3}});
  }
  std::cout << format_table(table) << "\n"
            << options.steps << " steps of " << options.batch << " samples of "
            << options.sequence_length << " tokens and " << options.step_ms
            << " ms of computing; the slow disk gives " << options.disk_mb << " MB/s after "
            << options.latency_ms << " ms; tokens take "
            << format_bytes(static_cast<double>(copies.plain_bytes)) << ", compressed "
            << format_bytes(static_cast<double>(copies.packed_bytes)) << "\n";
}

void add_bench_data_command(Command& app) {
  auto options = std::make_shared<BenchDataOptions>();
  Command* bench = app.parent("bench", "measure this machine")
                       .add_subcommand("data", "loading: threads, cache, compression, read-ahead");
  bench->add_option("data", options->data, "folder of `data prepare`, or a shard's prefix")
      ->required();
  bench->add_option("--sequence-length", options->sequence_length, "tokens of a sample")
      ->range(2, 1 << 24);
  bench->add_option("--batch", options->batch, "samples of a step")->range(1, 1 << 20);
  bench->add_option("--steps", options->steps, "to measure")->range(1, 1 << 20);
  bench->add_option("--step-ms", options->step_ms, "of computing in a step, waited for")
      ->range(0.0, 1e6);
  bench->add_option("--disk-mb", options->disk_mb, "MB a second of the slow disk")
      ->range(0.001, 1e6);
  bench->add_option("--latency-ms", options->latency_ms, "of a read of the slow disk")
      ->range(0.0, 1e4);
  add_json_flag(*bench, options->json);
  set_example(*bench, "farthing bench data data/english --step-ms 50");
  bench->callback([options] { bench_data_command(*options); });
}

const CommandRegistration kBenchData{add_bench_data_command, 94};

}  // namespace
}  // namespace farthing
