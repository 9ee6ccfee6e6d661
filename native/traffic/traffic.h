// What the benchmarks measure with: the floor, a packet generator and a one-way latency probe.
// All block the calling thread for a bounded time; they run in processes of their own, never inside Sluice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

struct FloorResult {
  uint64_t frames = 0, bytes = 0, batches = 0, errors = 0, kernel_drops = 0;
  double cpu_seconds = 0;
};
// Forwards every frame between two interfaces in both directions and inspects nothing. 0 or -errno.
// `window`: CPU time and counts are those between the first and the last frame.
int floor_forward(const std::string& a, const std::string& b, double seconds, bool vnet, unsigned batch,
                  FloorResult* result, std::string* step);

// Accepts every packet of one NFQUEUE queue and looks at none: 64 a receive, one verdict for `batch` packets or when
// the receive has run dry; batch 1: a verdict each. CPU time is counted from the first packet on. 0 or -errno.
int floor_queue(uint16_t queue, double seconds, unsigned batch, bool gso, FloorResult* result, std::string* step);

// UDP frames of `length` bytes (Ethernet header to payload end) over `flows` flows, paced when pps > 0.
struct GeneratorOptions {
  std::string interface;
  unsigned length = 64;
  double seconds = 1;
  uint32_t flows = 1000;
  double pps = 0;
  uint32_t destination = 0;  // network order
  uint8_t mac[6] = {255, 255, 255, 255, 255, 255};
};
int generate(const GeneratorOptions& options, uint64_t* sent, std::string* step);

// Paced UDP datagrams that carry their sending time; the receiver takes the kernel's receive time stamp.
int probe_send(const std::string& address, uint16_t port, double pps, double seconds, unsigned payload, uint64_t* sent);
// Collects latencies in nanoseconds until nothing has come for `idle` seconds after the first, or `seconds` in all.
int probe_receive(uint16_t port, double seconds, double idle, std::vector<double>* latencies);

}  // namespace sluice
