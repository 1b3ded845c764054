// The pins of a controller as C++ sees them, and what host and array share.
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

// An array (`crosstrain_model.twin.hook`): called once per finished command with pulses (HOOK_PROGRAM: `set_counts` and
// `reset_counts`, PORT_COLUMNS each; HOOK_TRAIN: `row` slots, bytes of their rows and of their columns; it answers the
// pulses delivered) and once per read (`codes_in` of the lines, `codes_out` of the outputs; it answers 0). Any other
// answer stops the simulation. With single devices (VERIFIED) outputs are device columns. Where a row read is one of single
// devices (DEVICE_READS) it has one number per group in `codes_in`, 1 where it converts, and HOOK_PROGRAM whether the pulse
// forms and its AMPLITUDES amplitudes. Array L gives a bit for each of its cells.
typedef int32_t (*Hook)(void *user, uint32_t op, uint32_t array, uint32_t row, const uint8_t *set_counts,
                        const uint8_t *reset_counts, const int32_t *codes_in, int32_t *codes_out);

constexpr int words_of(int bits) { return (bits + 31) / 32; }
constexpr int larger(int a, int b) { return a > b ? a : b; }

constexpr int DAC_WORDS = words_of(DAC_WORD_BITS);
constexpr int ADC_WORDS = words_of(ADC_WORD_BITS);
constexpr int GROUP_WORDS = words_of(GROUPS);
constexpr int SLOT_WORDS = words_of(PORT_COLUMNS);
constexpr int AMPLITUDE_WORDS = words_of(AMPLITUDES * AMPLITUDE_BITS);
constexpr int ROW_MASK_WORDS = words_of(ROWS);
constexpr int TDATA_WORDS = words_of(STREAM_CODES * STREAM_SLOT);
constexpr int RESULT_WORDS = words_of(ADC_CODES * RESULT_SLOT);
constexpr int CELL_CODES = LANES * CELLS;  // bits in a word of array L
constexpr int LINES = larger(ROW_WORDS * LANES, GROUPS * larger(ADC_CODES, CELL_CODES));  // codes of a read, padding included

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
  uint32_t cmd_op, cmd_array, cmd_row, cmd_width, cmd_tag;
  const uint32_t *m_tdata, *slot_rows, *slot_columns, *slot_direction, *dac_codes, *cmd_groups, *cmd_amplitude;
};

// One finished command of the port. `compiled.py` reads it as a numpy record of the same layout.
struct Event {
  uint64_t cycle;  // of the completion
  uint32_t op, array, row, tag, status, pulses, width, amplitude[AMPLITUDES];
  uint8_t set_counts[PORT_COLUMNS], reset_counts[PORT_COLUMNS];  // pulses fired
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
inline void take_amplitudes(const Sample &s, Event &event) {
  for (int i = 0; i < AMPLITUDES; i++) event.amplitude[i] = field(s.cmd_amplitude, i * AMPLITUDE_BITS, AMPLITUDE_BITS);
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

// Analog time of an agent that keeps it: what it must, and what it did.
struct Pace {
  uint32_t row_cycles = 0;                     // of a READ_ROW, before its first word
  uint64_t pulse_cycles = 0, read_cycles = 0;  // spent
  uint64_t first = 0, last = 0;                // edge at which the analog half first began, and at which it last ended
};
