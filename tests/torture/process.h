// process.h - a child process that tests start, signal and wait for.
#pragma once
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace farthing {

class Process {
 public:
  // Output of both kinds goes to `log`.
  Process(std::vector<std::string> words, const std::string& log) {
    pid_ = fork();
    if (pid_ != 0) return;
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(out, 1);
    dup2(out, 2);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (!ended_) {
      send(SIGKILL);
      wait();
    }
  }

  void send(int signal) const { kill(pid_, signal); }

  // The exit status; minus the signal's number when one ended it.
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    return decode(status);
  }

  // Whether it ended by itself within that time.
  bool ends_within(double seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < end) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) {
        decode(status);
        return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }
  int status() const { return status_; }

 private:
  int decode(int status) {
    ended_ = true;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return status_;
  }

  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
};

}  // namespace farthing
