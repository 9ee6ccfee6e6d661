#include "process/process.h"

#include <cerrno>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace sluice {

int confine(unsigned uid, unsigned gid, std::string* step) {
  const auto failed = [&](const char* what) {
    *step = what;
    return -errno;
  };
  if (setgroups(0, nullptr) != 0) return failed("setgroups");
  if (setresgid(gid, gid, gid) != 0) return failed("setresgid");
  if (setresuid(uid, uid, uid) != 0) return failed("setresuid");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("PR_SET_NO_NEW_PRIVS");
  return 0;
}

int pin_thread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu < 0 || cpu >= CPU_SETSIZE) return -EINVAL;
  CPU_SET(static_cast<unsigned>(cpu), &set);
  return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : -errno;
}

}  // namespace sluice
