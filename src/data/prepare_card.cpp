// prepare_card.cpp - the fates of documents, the data card, and the card as a page to read.
#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/hash.h"
#include "base/units.h"
#include "data/paragraphs.h"
#include "data/prepare_work.h"

namespace farthing {
namespace {

constexpr std::size_t kFaultsShown = 20;

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Json counts_json(const SplitCounts& counts) {
  return {{"documents", counts.documents}, {"tokens", counts.tokens}, {"bytes", counts.bytes}};
}

std::int64_t dropped_for(const std::map<std::string, std::int64_t>& dropped, const char* reason) {
  const auto found = dropped.find(reason);
  return found == dropped.end() ? 0 : found->second;
}

std::map<std::string, std::int64_t> all_dropped(const SourceTally& in, const SourceTally& out) {
  auto dropped = in.dropped;
  for (const auto& [reason, n] : out.dropped) dropped[reason] += n;
  return dropped;
}

Json source_json(const InputSource& source, const SourceTally& in, const SourceTally& out) {
  const auto dropped = all_dropped(in, out);
  return {{"name", source.description.name},
          {"licence", source.description.licence},
          {"files", source.files.size()},
          {"file_bytes", source.file_bytes},
          {"ignored_files", source.ignored},
          {"documents_in", in.documents_in},
          {"text_bytes_in", in.text_bytes_in},
          {"documents", out.train.documents + out.val.documents},
          {"dropped", dropped},
          {"empty_documents_dropped", dropped_for(dropped, "empty")},
          {"bad_lines_skipped", dropped_for(dropped, "unreadable")},
          {"replaced_characters", in.replaced},
          {"lines_removed", in.lines_removed},
          {"paragraphs_removed", out.paragraphs_removed},
          {"train", counts_json(out.train)},
          {"val", counts_json(out.val)}};
}

Json rules_json(const Job& job, const std::map<std::string, std::int64_t>& dropped) {
  Json rules = Json::array();
  for (const auto& active : job.request.clean.rules) {
    const QualityRule& rule = quality_rules()[active.rule];
    Json json = {{"name", rule.name},     {"source", rule.source},
                 {"measures", rule.what}, {"low", active.low},
                 {"high", active.high},   {"dropped", dropped_for(dropped, rule.name)}};
    for (const char* limit : {"low", "high"}) {
      if (json[limit].get<double>() > 1e300) json[limit] = nullptr;  // no limit
    }
    rules.push_back(std::move(json));
  }
  return rules;
}

Json cost_json(const Job& job, const CardFacts& facts, Seconds& all) {
  Json stages = Json::object();
  for (const auto& [name, seconds] : facts.stages) {
    all.add(seconds);
    stages[name] = {{"seconds", seconds.wall}, {"core_seconds", seconds.cpu}};
  }
  const Seconds total = job.clock->total();
  const Json outside = {{"seconds", std::max(0.0, total.wall - all.wall)},
                        {"core_seconds", std::max(0.0, total.cpu - all.cpu)}};
  all = {std::max(all.wall, total.wall), std::max(all.cpu, total.cpu),
         std::max(all.joules, total.joules)};
  Json cost = {{"seconds", all.wall},
               {"core_seconds", all.cpu},
               {"stages", stages},
               {"outside_stages", outside},
               {"attempts", job.clock->attempts()}};
  if (job.request.cost) cost.update(job.request.cost(all.wall, all.cpu, all.joules));
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  cost["peak_resident_bytes"] = std::int64_t{usage.ru_maxrss} * 1024;
  cost["memory_limit_bytes"] = job.memory_bytes;
  cost["threads"] = job.n_threads;
  return cost;
}

std::string percent(double part, double whole) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f %%", whole > 0 ? 100 * part / whole : 0.0);
  return text;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

using Rows = std::vector<std::vector<std::string>>;

// What a terminal shows wide; continuation bytes have no width.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// A Markdown table whose columns stand under each other; the first to the left.
std::string markdown_table(const Rows& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 3);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  for (std::size_t line = 0; line < rows.size(); ++line) {
    for (std::size_t i = 0; i < rows[line].size(); ++i) {
      const std::string pad(widths[i] - width_of(rows[line][i]), ' ');
      out += "| " + (i == 0 ? rows[line][i] + pad : pad + rows[line][i]) + " ";
    }
    out += "|\n";
    if (line > 0) continue;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      out += (i == 0 ? "|:" : "| ") + std::string(widths[i] + (i == 0 ? 1 : 0), '-') +
             (i == 0 ? "" : ":");
    }
    out += "|\n";
  }
  return out;
}

std::string format_sources(const Json& card) {
  Rows rows = {
      {"source", "documents", "text", "train tokens", "val tokens", "bytes/token", "licence"}};
  for (const Json& source : card["sources"]) {
    const double bytes =
        source["train"]["bytes"].get<double>() + source["val"]["bytes"].get<double>();
    const double train = source["train"]["tokens"], val = source["val"]["tokens"];
    char ratio[32];
    std::snprintf(ratio, sizeof(ratio), "%.2f", bytes / std::max(train + val, 1.0));
    const std::string licence = source["licence"];
    rows.push_back({source["name"], format_count(source["documents"]), format_bytes(bytes),
                    format_count(train), format_count(val), ratio,
                    licence.empty() ? "not stated" : licence});
  }
  return markdown_table(rows);
}

// Every reason with its rule's source, the most frequent first.
std::string format_dropped(const Json& card) {
  const Json& dropped = card["dropped"];
  const double in = card["documents_in"];
  if (dropped.empty()) return "Nothing was dropped.\n";
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [reason, n] : dropped.items()) order.emplace_back(-n.get<double>(), reason);
  std::sort(order.begin(), order.end());
  bool has_rules = false;  // among what dropped something
  for (const Json& rule : card["clean"]["rules"]) {
    has_rules = has_rules || dropped.contains(rule["name"].get<std::string>());
  }
  Rows rows = {{"dropped because", "documents", "of all", "passes", "found", "source"}};
  for (const auto& [negative, reason] : order) {
    std::string passes, source, found;
    for (const Json& rule : card["clean"]["rules"]) {
      if (rule["name"] != reason) continue;
      source = rule["source"];
      passes.append(rule["low"].is_null() ? "" : number(rule["low"])).append(" to ");
      passes.append(rule["high"].is_null() ? "any" : number(rule["high"]));
      passes.append(" ").append(rule["measures"].get<std::string>());
    }
    for (const Json& example : card["examples"]) {
      if (example["reason"] == reason && !source.empty() && found.empty()) {
        found = number(example["value"]);
      }
    }
    rows.push_back(
        {reason, format_count(-negative), percent(-negative, in), passes, found, source});
  }
  for (auto& row : rows) row.resize(has_rules ? 6 : 3);
  return markdown_table(rows);
}

std::string format_examples(const Json& card) {
  std::string out;
  for (const Json& example : card["examples"]) {
    std::string text = example["excerpt"];
    std::replace(text.begin(), text.end(), '`', '\'');
    out += "- " + example["reason"].get<std::string>() + ": " +
           example["place"].get<std::string>() + (text.empty() ? "" : "\n  `" + text + "`") + "\n";
  }
  return out;
}

std::string format_dedup(const Json& dedup) {
  if (dedup.is_null()) return "not removed";
  std::string out = format_count(dedup["exact_duplicates"]) + " exact";
  if (dedup.contains("near_duplicates")) {
    out += " and " + format_count(dedup["near_duplicates"]) + " near ones (MinHash of " +
           dedup["ngram"].dump() + "-word shingles, " + dedup["bands"].dump() + " bands of " +
           dedup["rows"].dump() + ", Jaccard " + number(dedup["jaccard"]) + ") removed; " +
           format_count(dedup["candidates"]) + " candidates compared";
  } else {
    out += " removed";
  }
  return out + "; largest cluster " + format_count(dedup["largest_cluster"]) + " documents";
}

std::string format_cost(const Json& cost) {
  std::string out =
      format_seconds(cost["seconds"]) + ", " + format_seconds(cost["core_seconds"]) + " of cores";
  if (cost.contains("joules")) {
    out += ", " + format_count(cost["joules"]) + " J" +
           (cost.value("joules_estimated", false) ? " (estimated)" : "");
  }
  if (cost.contains("usd")) out += ", " + format_usd(cost["usd"]);
  out += "; peak memory " + format_bytes(cost["peak_resident_bytes"]);
  std::string stages;
  for (const auto& [name, stage] : cost["stages"].items()) {
    if (stage["seconds"].get<double>() < 0.01 * cost["seconds"].get<double>()) continue;
    stages += (stages.empty() ? "" : ", ") + name + " " + format_seconds(stage["seconds"]);
  }
  out += "\n  of which " + stages;
  const int attempts = cost.value("attempts", 1);
  if (attempts < 2) return out;
  return out + "; outside of them, with what " + std::to_string(attempts - 1) +
         (attempts == 2 ? " interruption" : " interruptions") + " undid, " +
         format_seconds(cost["outside_stages"]["seconds"]);
}

std::string format_tokenizer(const Json& tokenizer) {
  std::string out =
      tokenizer["vocab_size"].dump() + " entries, from " + tokenizer["from"].get<std::string>();
  const double forgotten = tokenizer.value("forgotten_pieces", 0.0);
  if (forgotten == 0) return out;
  return out + "; --memory was too little to count all pieces: " + format_count(forgotten) +
         " rare occurrences were forgotten, none counted too low by more than " +
         tokenizer["largest_error"].dump();
}

}  // namespace

FateResult decide_fates(const Job& job, const CleanResult& cleaned) {
  FateResult result;
  const PrepareRequest& request = job.request;
  const std::string saved = job.work + "/fate.json";
  if (file_exists(saved)) {
    const Json state = read_json(saved);
    result.report = state.at("report").dump();
    result.seconds = seconds_from_json(state.at("seconds"));
    return result;
  }
  Stopwatch stopwatch(request.joules);
  const bool any = request.dedup_exact || request.dedup_near;
  if (any) {
    std::size_t record_bytes = sizeof(Hash128);
    if (request.dedup_near) record_bytes += MinHasher(request.minhash).fingerprint_bytes();
    const FingerprintFiles files{record_bytes, cleaned.n_segments,
                                 [&](std::int64_t i) { return job.segment(i, "print"); }};
    const DedupResult found = find_duplicates(
        files,
        {request.dedup_exact, request.dedup_near, request.minhash, job.sort_bytes(), job.work},
        job.work + "/fate.bin", [&](double share) {
          job.check_stop();
          if (job.progress) job.progress("finding duplicates", share, 1);
        });
    Json report = {{"exact_duplicates", found.n_exact}};
    if (request.dedup_near) {
      const MinHasher hasher(request.minhash);
      report.update({{"near_duplicates", found.n_near},
                     {"ngram", request.minhash.ngram},
                     {"bands", request.minhash.bands},
                     {"rows", request.minhash.rows},
                     {"jaccard", request.minhash.jaccard},
                     {"least_estimate", hasher.threshold()},
                     {"seed", request.minhash.seed},
                     {"candidates", found.n_candidates},
                     {"pairs", found.n_pairs}});
    }
    report["clusters"] = found.n_clusters;
    report["largest_cluster"] = found.largest_cluster;
    report["spilled_bytes"] = found.spilled_bytes;
    result.report = report.dump();
  }
  if (request.clean.drop_repeated_paragraphs) find_repeated_paragraphs(job, cleaned);
  if (any || request.clean.drop_repeated_paragraphs) {
    result.seconds = stopwatch.lap();
    write_file_atomically(
        saved,
        Json{{"report", Json::parse(result.report)}, {"seconds", to_json(result.seconds)}}.dump());
  }
  return result;
}

Json make_card(const Job& job, const CardFacts& facts) {
  const PrepareRequest& request = job.request;
  SplitCounts train, val;
  Json of_sources = Json::array();
  std::map<std::string, std::int64_t> dropped;
  std::int64_t documents_in = 0;
  for (std::size_t i = 0; i < job.sources.size(); ++i) {
    const SourceTally& in = facts.cleaned.tally.sources[i];
    const SourceTally& out = facts.encoded.tally.sources[i];
    train.add(out.train);
    val.add(out.val);
    documents_in += in.documents_in;
    for (const auto& [reason, n] : all_dropped(in, out)) dropped[reason] += n;
    of_sources.push_back(source_json(job.sources[i], in, out));
  }
  Json splits = {{"train", counts_json(train)}, {"val", counts_json(val)}};
  for (std::size_t i = 0; i < job.sources.size(); ++i) {
    const SplitCounts& held_out = facts.encoded.tally.sources[i].val;
    if (job.sources.size() < 2 || held_out.documents == 0) continue;
    splits["val-" + job.sources[i].description.name] = counts_json(held_out);
  }
  Tally both = facts.cleaned.tally;
  both.add(facts.encoded.tally);
  Seconds all;
  const Json cost = cost_json(job, facts, all);
  Json contamination;
  if (!request.clean.contamination_files.empty()) {
    contamination = {{"ngram", request.clean.contamination_ngram},
                     {"removed", request.clean.drop_contaminated},
                     {"evaluation_texts", facts.cleaned.n_evaluation_texts},
                     {"too_short", facts.cleaned.n_short_texts},
                     {"documents", both.contaminated}};
  }
  return {
      {"kind", "farthing data card"},
      {"version", 1},
      {"date", date_now()},
      {"seconds", all.wall},
      {"val_fraction", request.val_fraction},
      {"tokenizer",
       {{"fingerprint", facts.tokenizer.fingerprint()},
        {"vocab_size", facts.tokenizer.vocab_size()},
        {"from", request.tokenizer_path.empty() ? "the training split" : request.tokenizer_path},
        {"distinct_pieces", facts.training.distinct_pieces},
        {"forgotten_pieces", facts.training.forgotten_pieces},
        {"largest_error", facts.training.largest_error}}},
      {"splits", splits},
      {"sources", of_sources},
      {"documents_in", documents_in},
      {"documents_out", train.documents + val.documents},
      {"dropped", dropped},
      {"clean",
       {{"normalised", request.clean.normalise},
        {"rules", rules_json(job, dropped)},
        {"contamination", contamination}}},
      {"dedup", Json::parse(facts.fates.report)},
      {"shuffle", request.shuffle ? Json(request.shuffle_seed) : Json()},
      {"examples", to_json(both).at("examples")},
      {"faults", {{"count", both.n_faults}, {"messages", both.faults}}},
      {"cost", cost}};
}

std::string format_card(const Json& card) {
  const double in = card["documents_in"], out = card["documents_out"];
  double replaced = 0, lines = 0, paragraphs = 0, bytes_in = 0, bytes_out = 0;
  std::map<std::string, std::int64_t> ignored;
  for (const Json& source : card["sources"]) {
    const Json of_source = source.value("ignored_files", Json::object());
    for (const auto& [kind, n] : of_source.items()) ignored[kind] += n.get<std::int64_t>();
    replaced += source["replaced_characters"].get<double>();
    lines += source["lines_removed"].get<double>();
    paragraphs += source["paragraphs_removed"].get<double>();
    bytes_in += source["text_bytes_in"].get<double>();
    bytes_out += source["train"]["bytes"].get<double>() + source["val"]["bytes"].get<double>();
  }
  std::string page = "# Data card\n\n" + format_sources(card) + "\n";
  page += format_count(in) + " documents (" + format_bytes(bytes_in) + ") came in, " +
          format_count(out) + " (" + format_bytes(bytes_out) + ") went out, " +
          format_count(in - out) + (in - out == 1 ? " was" : " were") + " dropped:\n\n" +
          format_dropped(card) + "\n";
  page += "- duplicates: " + format_dedup(card["dedup"]) + "\n";
  if (!ignored.empty()) page += "- ignored files of folders: " + format_ignored(ignored) + "\n";
  page += "- repaired: " + format_count(replaced) + " invalid UTF-8 sequences became U+FFFD; " +
          format_count(lines) + " lines and " + format_count(paragraphs) +
          " repeated paragraphs removed inside documents\n";
  const Json& contamination = card["clean"]["contamination"];
  if (!contamination.is_null()) {
    page += "- contamination: documents sharing " + contamination["ngram"].dump() + " words, " +
            (contamination["removed"].get<bool>() ? "removed" : "kept") + ":";
    for (const auto& [file, n] : contamination["documents"].items()) {
      page += " " + file + " " + n.dump() + ";";
    }
    page += contamination["documents"].empty() ? " none\n" : "\n";
    if (contamination.value("too_short", 0) > 0) {
      page += "  " + contamination["too_short"].dump() + " of " +
              contamination["evaluation_texts"].dump() +
              " evaluation texts are shorter than that: found only where a whole document is one\n";
    }
  }
  page += "- tokenizer: " + format_tokenizer(card["tokenizer"]) + "\n";
  page += "- cost: " + format_cost(card["cost"]) + "\n";
  const Json& faults = card["faults"];
  if (faults["count"].get<std::int64_t>() > 0) {
    page += "\n## What could not be read: " + faults["count"].dump() + "\n\n";
    std::size_t n_shown = 0;
    for (const Json& message : faults["messages"]) {
      if (n_shown++ == kFaultsShown) break;
      page += "- " + message.get<std::string>() + "\n";
    }
    if (faults["messages"].size() > kFaultsShown) page += "- and more, listed in card.json\n";
  }
  if (!card["examples"].empty())
    page += "\n## Examples of what was dropped or changed\n\n" + format_examples(card);
  return page;
}

}  // namespace farthing
