// reference.h - the plain, slow truth of every kernel, templates on the scalar.
//
// Every fast path is tested against these in double; FARTHING_ISA=ref runs the float ones.  Loops
// are written for reading; work is spread only over outputs that have one owner.
#pragma once
#include "kernels/reference_attention.h"
#include "kernels/reference_elementwise.h"
#include "kernels/reference_gemm.h"
