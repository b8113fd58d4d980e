// plan_here.h - a recipe planned for this machine, from what doctor measured of it.
#pragma once
#include "cli/plan_options.h"
#include "plan/machine_model.h"

namespace farthing {

// `farthing plan RECIPE --cluster here`.
void plan_here(const PlanOptions& options);

// What the file of doctor says of a recipe whose micro-batch is settled; memory is not stated where
// the program was built without the trainer, whose own table it is.
MachineQuestion machine_question(const Recipe& recipe);

}  // namespace farthing
