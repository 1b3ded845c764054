// Host and array of one simulated controller, both in C++: bus masters that work off a script, and an array agent that
// answers at the port by calling a C function. `Bulk::clock` is called once per rising clock edge with the controller's
// outputs as they were before the edge; what it leaves in `drive` are the inputs after the edge.
//
// ports.h, generated, holds the sizes of the design (ROWS, LANES, ...) and the numbers of the port (OP_*, STATUS_*).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "ports.h"

// The array (`crosstrain_model.twin.hook`): called once per completed command with pulses (HOOK_PROGRAM: `set_counts` and
// `reset_counts`, DEVICE_COLUMNS each; it answers the pulses delivered) and once per read (`codes_in` of the lines,
// `codes_out` of the outputs; it answers 0). Any other answer stops the simulation.
typedef int32_t (*Hook)(void *user, uint32_t op, uint32_t array, uint32_t row, const uint8_t *set_counts,
                        const uint8_t *reset_counts, const int32_t *codes_in, int32_t *codes_out);

constexpr int words_of(int bits) { return (bits + 31) / 32; }
constexpr int larger(int a, int b) { return a > b ? a : b; }

constexpr int DAC_WORDS = words_of(LANES * DAC_BITS);
constexpr int ADC_WORDS = words_of(LANES * ADC_BITS);
constexpr int SLOT_WORDS = words_of(DEVICE_COLUMNS);
constexpr int TDATA_WORDS = words_of(STREAM_CODES * STREAM_SLOT);
constexpr int RESULT_WORDS = words_of(LANES * RESULT_SLOT);
constexpr int LINES = larger(ROW_WORDS, GROUPS) * LANES;  // codes of a read, padding included

// Inputs of the controller. Every member is a pin of that name.
struct Drive {
  bool reset = true;
  bool awvalid = false, wvalid = false, bready = true, arvalid = false, rready = true;
  uint32_t awaddr = 0, wdata = 0, wstrb = 15, araddr = 0;
  bool tvalid = false, tlast = false, m_tready = true;
  uint32_t tdata[TDATA_WORDS] = {}, tuser = 0;
  bool cmd_ready = true, slot_ready = true, dac_ready = true, adc_valid = false, adc_last = false, done_valid = false;
  uint32_t adc_codes[ADC_WORDS] = {}, done_tag = 0, done_status = 0, done_pulses = 0;
  bool rails_ok = true;
};

// Outputs of the controller: single bits and words, and pointers to what is wide.
struct Sample {
  bool awready, wready, bvalid, arready, rvalid, tready, m_tvalid, m_tlast, irq;
  uint32_t bresp, rdata, rresp, m_tuser;
  bool cmd_valid, slot_valid, slot_last, dac_valid, dac_last, adc_ready, done_ready, prog_enable;
  uint32_t cmd_op, cmd_array, cmd_row, cmd_width, cmd_amplitude, cmd_tag;
  const uint32_t *m_tdata, *slot_columns, *slot_direction, *dac_codes;
};

// One finished command of the port. `compiled.py` reads it as a numpy record of the same layout.
struct Event {
  uint64_t cycle;  // of the completion
  uint32_t op, array, row, tag, status, pulses, width, amplitude;
  uint8_t set_counts[DEVICE_COLUMNS], reset_counts[DEVICE_COLUMNS];  // pulses fired
};

// A bit field of a packed vector of 32-bit words.
inline uint32_t field(const uint32_t *words, int low, int bits) {
  uint64_t pair = words[low >> 5];
  if ((low & 31) + bits > 32) pair |= uint64_t(words[(low >> 5) + 1]) << 32;
  return uint32_t(pair >> (low & 31)) & uint32_t((uint64_t(1) << bits) - 1);
}
inline void set_field(uint32_t *words, int low, int bits, uint32_t value) {
  const uint64_t mask = ((uint64_t(1) << bits) - 1) << (low & 31), wide = (uint64_t(value) << (low & 31)) & mask;
  words[low >> 5] = (words[low >> 5] & ~uint32_t(mask)) | uint32_t(wide);
  if ((low & 31) + bits > 32) words[(low >> 5) + 1] = (words[(low >> 5) + 1] & ~uint32_t(mask >> 32)) | uint32_t(wide >> 32);
}
inline int32_t extended(uint32_t value, int bits) { return int32_t(value << (32 - bits)) >> (32 - bits); }

// Random gaps and latencies: xorshift32, seeded per object, so that a run can be repeated.
struct Chance {
  uint32_t state = 1, percent = 0;
  bool hit() {
    if (!percent) return false;
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return state % 100 < percent;
  }
};

// The macro at the port: takes commands, slots and DAC words, calls the hook, gives ADC words and completions.
class Agent {
 public:
  Hook hook = nullptr;
  void *user = nullptr;
  uint32_t latency = 0;  // cycles between the end of the work and the completion
  Chance chance;
  std::vector<Event> events;
  std::vector<int32_t> reads;  // codes in, then codes out, of every read in order
  std::string fault;           // what the controller or the hook did wrong, first
  void clock(const Sample &s, Drive &d, uint64_t cycle);
  void reset(Drive &d);

 private:
  struct Done { uint32_t tag, status, pulses; uint64_t due; };
  Event now = {};
  bool busy = false, pulsing = false, wants_dac = false;
  bool unaware = false;  // a completion has not been seen by the controller before this edge
  uint64_t pulse_end = 0;
  uint32_t ending = STATUS_OK;  // status of the command when its last pulse is over
  int dac_words = 0, adc_next = 0, adc_count = 0;
  int32_t codes_in[LINES] = {}, codes_out[LINES] = {};
  std::deque<Done> dones;
  void command(const Sample &s, uint64_t cycle);
  void slot(const Sample &s, uint64_t cycle);
  void dac(const Sample &s);
  void convert();
  void pulse();
  void present(Drive &d);
  void finish(uint32_t status, uint64_t due);
  void blame(const char *text) { if (fault.empty()) fault = text; }
};

// What a script may say; each instruction is its code and its operands, all 32-bit words. `compiled.py` writes them.
enum Code : uint32_t {
  END = 0,      //                                  ends the script
  WRITE = 1,    // address data                     gives: response
  READ = 2,     // address                          gives: data, response
  FRAME = 3,    // user count codes...              a stream frame, full beats, TLAST on the last
  WAIT = 4,     // cycles
  POLL = 5,     // address mask value limit         reads until (data & mask) == value; gives: data, response (limit cycles)
  RESULTS = 6,  // count limit                      waits until so many result frames are waiting to be taken
  RESET = 7,    // cycles
  RAILS = 8,    // 0 or 1
  IRQ = 9,      // value limit                      waits until irq has this value
};

enum Outcome : int { RUNNING = -1, DONE = 0, TOO_LONG = 1, BAD_SCRIPT = 2, FAULT = 3 };

class Bulk {
 public:
  Drive drive;
  Agent agent;
  uint64_t cycles = 0;
  uint32_t frame_gaps = 0;               // percent of idle cycles between beats
  Outcome outcome = DONE;
  std::vector<uint32_t> answers;         // what WRITE, READ and POLL gave
  std::vector<int32_t> results;          // result frames: user, count, codes...
  uint32_t result_frames = 0;
  std::vector<uint32_t> script;
  Chance beat_chance, result_chance;

  void submit(const uint32_t *words, size_t count);
  Outcome clock(const Sample &s);

 private:
  size_t place = 0;
  uint64_t wait_until = 0, limit_at = 0;
  Code doing = END;
  uint32_t frame_left = 0;
  std::vector<int32_t> partial;
  bool want_beat = false;
  void bus(const Sample &s);
  void stream(const Sample &s);
  void take_results(const Sample &s);
  void next();
  bool begin();
  void load_beat();
  void start_read(uint32_t address);
};
