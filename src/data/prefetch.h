// prefetch.h - samples read ahead by threads of their own, for the same samples in the same order.
//
// After sample i is read, the next `depth` samples are fetched in the background.  Whoever asks for
// another one (a resume, an evaluation) gets it at once, and looking ahead starts again from there.
//
// Errors   what the source throws, at the read() that asks for that sample.
// Memory   depth samples, and one per thread.
// Threads  read() from one thread at a time; the source is read from several.
#pragma once
#include <memory>

#include "data/loader.h"

namespace farthing {

class PrefetchedStream : public SampleStream {
 public:
  // REQUIRES depth >= 1, n_threads >= 1.
  PrefetchedStream(std::unique_ptr<SampleStream> source, int depth, int n_threads);
  ~PrefetchedStream() override;
  void read(std::int64_t global_sample, Sample& out) const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace farthing
