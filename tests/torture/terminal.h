// terminal.h - a child process on a small terminal of its own, as a person would sit at it.
#pragma once
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

namespace farthing {

class Terminal {
 public:
  // The child leads the terminal's session, so that a typed Ctrl-C reaches it as SIGINT.
  Terminal(std::vector<std::string> words, unsigned short columns, unsigned short rows) {
    winsize size{};
    size.ws_col = columns;
    size.ws_row = rows;
    pid_ = forkpty(&screen_, nullptr, nullptr, &size);
    if (pid_ != 0) return;
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    if (!ended_) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(screen_);
  }

  void type(char key) const { (void)!write(screen_, &key, 1); }

  // Reads until `words` stand in the output, the program ends or time is up; whether they do.
  bool shows(const std::string& words, double seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (output_.find(words) == std::string::npos) {
      if (std::chrono::steady_clock::now() > end || !read_some()) break;
    }
    return output_.find(words) != std::string::npos;
  }

  // Reads to the end; the exit status, minus the signal's number when one ended it.
  int wait() {
    while (read_some()) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    ended_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  const std::string& output() const { return output_; }

 private:
  // False once the other side is closed.
  bool read_some() {
    pollfd ready{screen_, POLLIN, 0};
    if (poll(&ready, 1, 20) == 0) return true;
    char bytes[4096];
    const ssize_t n = read(screen_, bytes, sizeof bytes);
    if (n > 0) output_.append(bytes, static_cast<std::size_t>(n));
    return n > 0;
  }

  int screen_ = -1;
  pid_t pid_ = -1;
  bool ended_ = false;
  std::string output_;
};

}  // namespace farthing
