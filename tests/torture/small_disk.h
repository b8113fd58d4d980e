// small_disk.h - a tmpfs as small as a test wants: what a full disk is to a program.
#pragma once
#include <sys/mount.h>

#include <string>

namespace farthing {

// `options` as "size=600k"; flags: MS_REMOUNT for another size.  False, with errno, where it may
// not.
inline bool mount_small_disk(const std::string& folder, const std::string& options,
                             unsigned long flags = 0) {
  return mount("tmpfs", folder.c_str(), "tmpfs", flags, options.c_str()) == 0;
}

}  // namespace farthing
