// The array agent of designs that have one command open at a time.
#pragma once

#include "pins.h"

// The macro at the port: takes commands, slots and DAC words, calls the hook, gives ADC words and completions.
class Agent {
 public:
  void attach(uint32_t array, Hook function, void *context) { hooks[array & 7] = {function, context}; }
  uint32_t latency = 0;  // cycles between the end of the work and the completion
  Chance chance;
  std::vector<Event> events;
  std::vector<int32_t> reads;  // codes in, then codes out, of every read in order
  std::vector<uint32_t> trains;  // none here
  Pace pace;
  std::string fault;           // what the controller or the hook did wrong, first
  void clock(const Sample &s, Drive &d, uint64_t cycle);
  void reset(Drive &d);

 private:
  struct Attached { Hook hook; void *user; };
  Attached hooks[8] = {};  // by the number of the array at the port
  struct Done { uint32_t tag, status, pulses; uint64_t due; };
  Event now = {};
  bool busy = false, pulsing = false, wants_dac = false;
  bool unaware = false;  // a completion has not been seen by the controller before this edge
  uint64_t pulse_end = 0;
  uint32_t ending = STATUS_OK;  // status of the command when its last pulse is over
  int dac_words = 0, adc_next = 0, adc_count = 0;
  int order[GROUPS > ROW_WORDS ? GROUPS : ROW_WORDS] = {};  // which words of `codes_out` come, in order
  int word_codes = ADC_CODES, code_bits = ADC_BITS;         // codes of such a word, and bits of a code
  int32_t named[GROUPS] = {};  // groups that convert, with single devices
  int32_t codes_in[LINES] = {}, codes_out[LINES] = {};
  std::deque<Done> dones;
  bool of_cells() const { return CELLS && now.array == ARRAY_L; }
  void command(const Sample &s, uint64_t cycle);
  void slot(const Sample &s, uint64_t cycle);
  void dac(const Sample &s);
  void dac_bits(const Sample &s);
  void convert();
  void pulse();
  void present(Drive &d);
  void finish(uint32_t status, uint64_t due);
  void blame(const char *text) { if (fault.empty()) fault = text; }
};
