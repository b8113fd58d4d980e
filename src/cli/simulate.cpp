// farthing simulate - a plan acted out: a step's timeline, weeks with failures, a run folder.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/plan_options.h"
#include "cli/support.h"
#include "simulate/plan_page.h"
#include "simulate/simulate_plan.h"
#include "simulate/sizing.h"

namespace farthing {
namespace {

struct SimulateOptions {
  PlanOptions plan;
  SimulationOptions simulation;
  std::string run, trace, checkpoint_every;
};

void simulate_command(const SimulateOptions& options) {
  if (options.plan.model.empty()) {
    throw Error(ErrorCode::kUsage, "simulate: wanted a model (see farthing simulate --help)");
  }
  SimulationOptions how = options.simulation;
  if (!options.checkpoint_every.empty()) {
    how.checkpoint_seconds =
        positive_value(options.checkpoint_every, Dimension::kSeconds, "--checkpoint-every");
  }
  if (options.plan.cluster == "here") {
    throw Error(
        ErrorCode::kUsage,
        "--cluster here: this machine is planned, not simulated (farthing plan MODEL --cluster "
        "here)");
  }
  const Plan plan = make_plan(make_plan_request(options.plan));
  if (!plan.fits) {
    std::cout << to_text(plan);
    throw Error(ErrorCode::kOutOfResource, "");
  }
  if (const double step = plan.best().time.step_seconds;
      how.checkpoint_seconds > 0 && how.checkpoint_seconds < step) {
    throw Error(ErrorCode::kUsage, "--checkpoint-every: found \"" + options.checkpoint_every +
                                       "\", wanted a step or more: " + format_seconds(step));
  }
  const Simulation simulation = simulate_plan(plan, how);
  if (!options.run.empty()) {
    write_run_folder(options.run, to_events(simulation.job, simulation.outcome, simulation.words));
  }
  if (!options.trace.empty()) {
    write_file_atomically(options.trace,
                          to_chrome_trace(simulation.timeline, plan.request.model.name + " on " +
                                                                   plan.request.cluster.name));
  }
  if (!options.plan.html.empty()) {
    write_page(options.plan.html, plan_page(simulation, {command_as_given() + " --html FILE"}));
  }
  if (options.plan.json) {
    Json json = to_json(simulation);
    if (options.plan.bom) json["bom"] = to_json(size_cluster(simulation));
    return print_json(json);
  }
  if (options.plan.bom || options.plan.csv) return print_sizing(simulation, options.plan.csv);
  std::cout << to_text(simulation);
  if (!options.run.empty()) {
    std::cout << "\n" << options.run << ": farthing report " << options.run << "\n";
  }
  for (const std::string& file : {options.trace, options.plan.html}) {
    if (!file.empty()) std::cout << file << "\n";
  }
}

void add_simulate_command(Command& app) {
  auto options = std::make_shared<SimulateOptions>();
  Command* simulate =
      app.add_subcommand("simulate", "act a plan out: a step's timeline, weeks with failures");
  SimulateOptions& o = *options;
  add_plan_options(*simulate, o.plan);
  simulate->add_option("--run", o.run, "new run folder to write; report and compare read it");
  simulate->add_option("--trace", o.trace, "Chrome trace of one step, for Perfetto");
  refuse_empty(simulate->add_option("--html", o.plan.html, "one self-contained page to write"));
  simulate->add_option("--seed", o.simulation.seed, "of the failures");
  simulate->add_option("--runs", o.simulation.n_runs, "simulated for the band")
      ->range(1, 1'000'000);
  simulate->add_option("--draws", o.simulation.n_draws, "of the uncertain inputs")
      ->range(1, 1'000'000);
  simulate->add_option("--spares", o.simulation.spares, "spare nodes; default the cluster's")
      ->range(0.0, 1e6);
  simulate->add_option("--checkpoint-every", o.checkpoint_every,
                       "as 30min; default Young and Daly");
  add_json_flag(*simulate, o.plan.json);
  set_example(*simulate,
              "farthing simulate deepseek-v3 --cluster h800-2048 --run runs/v3-simulated");
  simulate->callback([options] { simulate_command(*options); });
}

const CommandRegistration kSimulate{add_simulate_command, 73};

}  // namespace
}  // namespace farthing
