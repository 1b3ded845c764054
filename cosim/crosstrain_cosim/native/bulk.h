// Host and array of one simulated controller, both in C++: bus masters that work off a script, and an array agent that
// answers at the port by calling a C function. `Bulk::clock` is called once per rising clock edge with the controller's
// outputs as they were before the edge; what it leaves in `drive` are the inputs after the edge.
#pragma once

#include "ports.h"

#ifdef PULSED
#include "queue_agent.h"
#else
#include "agent.h"
#endif

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
