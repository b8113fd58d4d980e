// plan_here.cpp - a recipe, the machine's file and the trainer's own table of memory.
#include "cli/plan_here.h"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/support.h"
#include "simulate/plan_page.h"
#ifndef FARTHING_PLANNER_ONLY
#include "base/parallel.h"
#include "train/trainer.h"
#endif

namespace farthing {
namespace {

void refuse_with_here(bool given, const char* flag) {
  if (!given) return;
  throw_bad_input({flag, "this machine is one device that trains in order", "", "",
                   "leave it out with --cluster here"});
}

Recipe recipe_for_here(const PlanOptions& o) {
  std::vector<std::string> overrides = with_precision_override(o.overrides, o.precision);
  if (o.micro_batch > 0) {
    overrides.push_back("train.micro_batch=" + std::to_string(o.micro_batch));
  }
  Recipe recipe = load_recipe(o.model, overrides);
  if (o.sequence_length > 0) recipe.data.sequence_length = o.sequence_length;
  const int length = recipe.data.sequence_length;
  if (!o.global_batch.empty()) {
    const double sequences = value_from_zero(o.global_batch, Dimension::kCount, "--global-batch");
    if (!(sequences >= 1) || sequences * length > 1e9) {
      throw_wrong_use({"--global-batch", "sequences of a step", o.global_batch,
                       "1 or more, at most 1e9 tokens in all", ""});
    }
    recipe.train.batch_tokens = static_cast<int>(sequences) * length;
  }
  recipe.train.batch_tokens = std::max(length, recipe.train.batch_tokens / length * length);
  return recipe;
}

}  // namespace

MachineQuestion machine_question(const Recipe& recipe) {
  MachineQuestion question;
  question.recipe = recipe;
#ifndef FARTHING_PLANNER_ONLY
  for (const MemoryLine& line : memory_table(recipe, recipe.train.micro_batch)) {
    question.memory_parts.emplace_back(line.part, static_cast<double>(line.bytes));
  }
  question.memory_parts.emplace_back(
      "buffers of the threads", static_cast<double>(thread_buffer_bytes(recipe, num_threads())));
#endif
  return question;
}

void plan_here(const PlanOptions& o) {
  if (o.cluster != "here") {
    throw_wrong_use({"--calibration", "a run of this machine calibrates it alone",
                     "--cluster " + o.cluster, "--cluster here", ""});
  }
  refuse_with_here(o.pp > 1, "--pp");
  refuse_with_here(o.ep > 1, "--ep");
  refuse_with_here(o.tp > 1, "--tp");
  refuse_with_here(o.cp > 1, "--cp");
  refuse_with_here(o.devices > 1, "--devices");
  refuse_with_here(!o.device.empty(), "--device");
  const MachineFacts facts = load_machine();
  Recipe recipe = recipe_for_here(o);
  if (recipe.precision.matmul == "auto") recipe.precision.matmul = facts.auto_precision;
#ifndef FARTHING_PLANNER_ONLY
  recipe.train.micro_batch = choose_micro_batch(recipe, available_memory_bytes());
#else
  if (recipe.train.micro_batch == 0) {  // the trainer takes 8192 tokens at most
    const int length = recipe.data.sequence_length, n = recipe.train.batch_tokens / length;
    int most = std::clamp(8192 / length, 1, n);
    while (n % most != 0) --most;
    recipe.train.micro_batch = most;
  }
#endif
  MachineQuestion question = machine_question(recipe);
  if (!o.tokens.empty()) question.tokens = positive_value(o.tokens, Dimension::kCount, "--tokens");
  if (!o.deadline.empty()) {
    question.deadline_seconds = positive_value(o.deadline, Dimension::kSeconds, "--deadline");
  }
  if (!o.calibration.empty()) question.calibration = load_calibration(o.calibration);
  const MachinePlan plan = plan_machine(facts, question);
  if (!o.html.empty()) {
    write_page(o.html, machine_page(plan, {command_as_given() + " --html FILE"}));
  }
  if (o.json) return print_json(to_json(plan));
  std::cout << to_text(plan);
  if (!o.html.empty()) std::cout << "\n" << o.html << "\n";
}

}  // namespace farthing
