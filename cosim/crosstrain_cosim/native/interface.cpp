// The C functions that Python calls, the same in the shared library and inside a cocotb simulation.
// A handle is a `Bulk`; how its clock is moved is the business of compiled.cpp or of the simulator (bulk.sv).
#include "bulk.h"

extern "C" {

void bulk_configure(Bulk *b, Hook hook, void *user, uint32_t latency, uint32_t array_gaps, uint32_t stream_gaps,
                    uint32_t result_gaps, uint32_t seed) {
  for (uint32_t array = 0; array < 8; array++) b->agent.attach(array, hook, user);
  b->agent.latency = latency;
  Chance *chances[] = {&b->agent.chance, &b->beat_chance, &b->result_chance};
  const uint32_t percents[] = {array_gaps, stream_gaps, result_gaps};
  for (int i = 0; i < 3; i++) *chances[i] = Chance{(seed * 2654435761u + i) | 1, percents[i]};
}

// One array of several: `array` is its number at the port.
void bulk_attach(Bulk *b, uint32_t array, Hook hook, void *user) { b->agent.attach(array, hook, user); }

// Analog time of a READ_ROW, in designs with pulse trains.
void bulk_pace(Bulk *b, uint32_t row_cycles) { b->agent.pace.row_cycles = row_cycles; }

// Analog time so far: 0 pulses, 1 reads, 2 edge of the first work, 3 edge at which the last work ended.
uint64_t bulk_analog(const Bulk *b, uint32_t what) {
  const Pace &pace = b->agent.pace;
  const uint64_t values[] = {pace.pulse_cycles, pace.read_cycles, pace.first, pace.last};
  return values[what & 3];
}

void bulk_submit(Bulk *b, const uint32_t *words, uint64_t count) { b->submit(words, count); }

int bulk_outcome(const Bulk *b) { return b->outcome; }

// The instruction at which the script stopped: words from its start.
uint64_t bulk_cycles(const Bulk *b) { return b->cycles; }

const char *bulk_fault(const Bulk *b) { return b->agent.fault.c_str(); }

uint64_t bulk_event_bytes() { return sizeof(Event); }

// What has been gathered: 0 answers, 1 result frames, 2 events, 3 codes of reads, 4 slots of trains. Valid until the next call of any other.
const void *bulk_take(Bulk *b, uint32_t what, uint64_t *bytes) {
  switch (what) {
    case 0: *bytes = b->answers.size() * sizeof b->answers[0]; return b->answers.data();
    case 1: *bytes = b->results.size() * sizeof b->results[0]; return b->results.data();
    case 2: *bytes = b->agent.events.size() * sizeof(Event); return b->agent.events.data();
    case 3: *bytes = b->agent.reads.size() * sizeof(int32_t); return b->agent.reads.data();
    default: *bytes = b->agent.trains.size() * sizeof(uint32_t); return b->agent.trains.data();
  }
}

void bulk_drop(Bulk *b) {
  b->answers.clear(), b->results.clear(), b->agent.events.clear(), b->agent.reads.clear();
  b->agent.trains.clear();
  b->result_frames = 0;
}
}
