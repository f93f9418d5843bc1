// Which of a machine's processors are worth a thread.
#pragma once

#include <filesystem>
#include <vector>

namespace owlet {

// How many threads that compute the same amount each are worth it among these logical processors: one a core, since a core's logical
// processors share its arithmetic; where cores are unequal, one for each of the fast ones, since all wait for the slowest; and no more than
// the time that a container is granted. Linux: sys/devices and sys/fs/cgroup under `root`, which is the file system's but in tests.
int count_cores(const std::vector<int>& logical, const std::filesystem::path& root = "/");

// The same of those that this process may use. macOS: the performance cores.
int usable_cores();

}  // namespace owlet
