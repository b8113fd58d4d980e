// scratch_file.h - a file for readers that want a path; one per process, in memory where possible.
#pragma once
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

namespace farthing {

// Writes `bytes` to a file called NAME in this process's own folder, and returns its path.
inline std::string scratch_file(const std::string& name, std::string_view bytes) {
  static const std::string folder = [] {
    const std::string base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    const std::string path = base + "/farthing-fuzz-" + std::to_string(getpid());
    std::filesystem::create_directories(path);
    std::atexit([] {
      for (const char* place : {"/dev/shm", "/tmp"}) {
        std::error_code ignored;
        std::filesystem::remove_all(
            std::string(place) + "/farthing-fuzz-" + std::to_string(getpid()), ignored);
      }
    });
    return path;
  }();
  const std::string path = folder + "/" + name;
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr || std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size())
    std::abort();
  std::fclose(file);
  return path;
}

}  // namespace farthing
