// The array agent of designs that have several commands open at a time (pulse trains).
//
// Commands wait in a queue, and the analog half does one after the other: a slot takes as long as its pulse, the read of
// a row `pace.row_cycles`. A read's words go out while the next command runs. Completions come in order. After a pulse
// command that ended early nothing begins before its completion was taken: until then its slots may still be offered.
#pragma once

#include "pins.h"

class Agent {
 public:
  uint32_t latency = 0;  // cycles between the end of the work and the completion
  Chance chance;
  Pace pace;
  std::vector<Event> events;     // of commands whose completion was taken
  std::vector<int32_t> reads;    // codes in, then codes out, of every read in order
  std::vector<uint32_t> trains;  // masks of rows, columns, directions of every slot that was fired, whole words each
  std::string fault;             // what the controller or a hook did wrong, first
  void attach(uint32_t array, Hook function, void *context) { arrays[array & 7] = {function, context}; }
  void clock(const Sample &s, Drive &d, uint64_t cycle);
  void reset(Drive &d);

 private:
  struct Array { Hook hook = nullptr; void *user = nullptr; };
  struct Open {
    Event event = {};
    uint64_t words_from = 0, over = 0;  // when its words and its completion may come
    int adc_next = 0, adc_count = 0;
    int32_t codes_out[LINES] = {};
    bool early = false, abort = false;  // ended before its last slot; an ABORT
  };
  Array arrays[8];
  std::deque<Open> waiting, ended;
  Open now;
  bool working = false;       // `now` is a command that takes slots or input codes
  uint64_t busy_until = 0;    // edge at which the analog half is free again
  int dac_words = 0;
  int32_t codes_in[LINES] = {};
  std::vector<uint8_t> rows, columns;  // of the slots of `now`: the hook's bytes
  void begin(uint64_t cycle);
  void command(const Sample &s, uint64_t cycle);
  void abort(const Sample &s, uint64_t cycle);
  void slot(const Sample &s, uint64_t cycle);
  void train_slot(const Sample &s);
  void dac(const Sample &s, uint64_t cycle);
  void convert(Open &read, uint64_t cycle, uint32_t cycles);
  void finish(Open &command, uint32_t status, uint64_t cycle);
  void deliver(const Event &event);
  bool held() const;
  bool takes_slots(uint64_t cycle) const;
  Open *reading();
  void worked(uint64_t cycle, uint64_t cycles, uint64_t &sum);
  void blame(const char *text) { if (fault.empty()) fault = text; }
};
