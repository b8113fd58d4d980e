// farthing import-run - a log made elsewhere as an ordinary run folder.
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "ledger/import_log.h"
#include "plan/accounting.h"
#include "plan/cluster.h"
#include "plan/model_book.h"
#include "simulate/run_events.h"

namespace farthing {
namespace {

struct ImportOptions {
  std::string log, format = "megatron", model, cluster, run, tokens_per_step;
  int devices = 0, sequence_length = 0;
};

ImportContext context_of(const ImportOptions& o) {
  ImportContext context;
  context.source = o.log;
  const TrainingDefaults usual = training_defaults(o.model);
  context.sequence_length = o.sequence_length > 0 ? o.sequence_length : usual.sequence_length;
  if (!o.tokens_per_step.empty()) {
    context.tokens_per_step =
        positive_value(o.tokens_per_step, Dimension::kCount, "--tokens-per-step");
  }
  if (!o.model.empty()) {
    const ModelShape shape = load_model_shape(o.model);
    context.model = shape.name;
    context.parameters = static_cast<double>(count_parameters(shape).total());
    context.active_parameters = static_cast<double>(count_active_parameters(shape).total());
    context.model_flops_per_token = model_flops_per_token(shape, context.sequence_length).total();
  }
  if (!o.cluster.empty()) {
    const Cluster cluster = load_cluster(o.cluster);
    context.cluster = cluster.name;
    context.device = cluster.device.name;
    context.n_devices = cluster.n_devices();
    context.site = site_of(cluster);
  }
  if (o.devices > 0) context.n_devices = o.devices;
  return context;
}

// Every row of a CSV should be a step: those that are none are named.
std::string skipped_words(const ImportedLog& log) {
  if (log.skipped_rows.empty()) return "";
  std::string text;
  for (const std::int64_t row : log.skipped_rows) {
    text +=
        (text.empty() ? " without a step number, left out: lines " : ", ") + std::to_string(row);
  }
  const auto named = static_cast<std::int64_t>(log.skipped_rows.size());
  return text + (log.skipped_lines > named ? " and more" : "");
}

// What was estimated, left out or done twice: never silent.
std::string notes_text(const ImportNotes& notes) {
  std::string text;
  const auto add = [&](std::int64_t count, const char* what) {
    if (count > 0) text += "  " + std::to_string(count) + what;
  };
  add(notes.without_seconds, " steps without seconds: the median of the others taken\n");
  add(notes.steps_in_gaps, " steps missing between rows: their time and tokens are estimated\n");
  add(notes.without_tokens, " steps without tokens (--tokens-per-step)\n");
  add(notes.without_loss, " steps without a finite loss\n");
  add(notes.goes_back, " times the step number goes back: what follows counts as done twice\n");
  return text;
}

void import_command(const ImportOptions& o) {
  const std::map<std::string, LogFormat> formats = {{"megatron", LogFormat::kMegatron},
                                                    {"torchtitan", LogFormat::kTorchtitan},
                                                    {"csv", LogFormat::kCsv}};
  const ImportedLog log = parse_log(read_file(o.log), o.log, formats.at(o.format));
  const ImportContext context = context_of(o);
  write_run_folder(o.run, to_events(log, context));
  std::cout << o.run << ": " << log.steps.size() << " steps from " << o.log << ", "
            << log.skipped_lines << " other lines" << skipped_words(log) << "; farthing report "
            << o.run << "\n"
            << notes_text(notes_of(log, context));
  if (o.cluster.empty()) {
    std::cout << "device: not stated, so that nothing has a price (--cluster NAME)\n";
  }
}

void add_import_command(Command& app) {
  auto options = std::make_shared<ImportOptions>();
  Command* command =
      app.add_subcommand("import-run", "a log made elsewhere as an ordinary run folder");
  ImportOptions& o = *options;
  command->add_option("log", o.log, "file")->required();
  command->add_option("--run", o.run, "new run folder")->required();
  command
      ->add_option("--format", o.format,
                   "megatron, torchtitan, or csv with a heading line: step, seconds or ms, "
                   "tokens (both of one step), loss, learning_rate, grad_norm")
      ->one_of({"megatron", "torchtitan", "csv"});
  command->add_option("--model", o.model, "a name under models/, for FLOPs and parameters");
  command->add_option("--cluster", o.cluster,
                      "a name under clusters/: its devices, and with them their price");
  command->add_option("--devices", o.devices, "that the run used")->range(1, 1 << 20);
  command->add_option("--seq", o.sequence_length, "sequence length")->range(1e-300, 1e300);
  command->add_option("--tokens-per-step", o.tokens_per_step, "where the log has none");
  set_example(*command,
              "farthing import-run train.log --format megatron --model llama3.1-8b "
              "--cluster h100-512 --run runs/theirs");
  command->callback([options] { import_command(*options); });
}

const CommandRegistration kImport{add_import_command, 74};

}  // namespace
}  // namespace farthing
