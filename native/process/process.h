// Rights and placement of a process or thread.
#pragma once

#include <string>

namespace sluice {

// Gives up every right of the whole process for good: supplementary groups, group, user (all threads follow,
// capabilities go with user 0), and no regaining by exec. 0 or -errno with the failing step.
int confine(unsigned uid, unsigned gid, std::string* step);
// For a thread that needs CAP_NET_ADMIN after another one's confine(): this one keeps its permitted capabilities then.
int keep_net_admin();
// Makes CAP_NET_ADMIN effective and gives up every other right, for this thread alone. -EPERM when it was not kept.
int raise_net_admin(std::string* step);
// Binds the calling thread to one CPU.
int pin_thread(int cpu);

}  // namespace sluice
