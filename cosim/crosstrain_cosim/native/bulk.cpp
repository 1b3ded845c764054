// The host side of bulk.h: one script, worked off over AXI4-Lite and AXI4-Stream.
#include "bulk.h"

static const uint64_t ACCESS_LIMIT = 1 << 20;  // no register takes so many cycles; without a reset none answers at all

void Bulk::submit(const uint32_t *words, size_t count) {
  script.assign(words, words + count);
  script.push_back(END);
  place = 0;
  outcome = RUNNING;
  doing = END;
}

Outcome Bulk::clock(const Sample &s) {
  cycles++;
  if (drive.reset) {
    agent.reset(drive);
  } else {
    agent.clock(s, drive, cycles);
    take_results(s);
  }
  if (doing == FRAME) stream(s);
  else if (doing != END) bus(s);
  while (doing == END && outcome == RUNNING) next();
  if (limit_at && cycles > limit_at) outcome = TOO_LONG;
  if (!agent.fault.empty()) outcome = FAULT;
  return outcome;
}

// The instruction in progress, up to its end; `doing` is END then.
void Bulk::bus(const Sample &s) {
  switch (doing) {
    case WRITE:
      if (s.awready) drive.awvalid = false;
      if (s.wready) drive.wvalid = false;
      if (s.bvalid) answers.push_back(s.bresp), doing = END;
      break;
    case READ:
    case POLL:
      if (s.arready) drive.arvalid = false;
      if (!s.rvalid) break;
      if (doing == POLL && (s.rdata & script[place + 1]) != script[place + 2]) {
        start_read(script[place]);
        break;
      }
      if (doing == POLL) place += 4;
      answers.push_back(s.rdata), answers.push_back(s.rresp), doing = END;
      break;
    case WAIT:
      if (cycles >= wait_until) doing = END;
      break;
    case RESET:
      if (cycles >= wait_until) drive.reset = false, doing = END;
      break;
    case RESULTS:
      if (result_frames >= wait_until) doing = END;
      break;
    case IRQ:
      if (s.irq == bool(wait_until)) doing = END;
      break;
    default:
      outcome = BAD_SCRIPT;
  }
  if (doing == END) limit_at = 0;
}

void Bulk::start_read(uint32_t address) { drive.araddr = address, drive.arvalid = true; }

// Take the next instruction and drive its first cycle.
void Bulk::next() {
  const Code code = Code(script[place++]);
  const size_t left = script.size() - place;
  static const size_t operands[] = {0, 2, 1, 2, 1, 4, 2, 1, 1, 2};
  if (code > IRQ || left < operands[code]) { outcome = BAD_SCRIPT; return; }
  const uint32_t *given = script.data() + place;
  if (code != FRAME && code != POLL) place += operands[code];  // these two keep their place
  doing = code;
  switch (code) {
    case END: outcome = DONE; break;
    case WRITE:
      drive.awaddr = given[0], drive.wdata = given[1], drive.awvalid = drive.wvalid = true;
      limit_at = cycles + ACCESS_LIMIT;
      break;
    case READ: start_read(given[0]), limit_at = cycles + ACCESS_LIMIT; break;
    case POLL: start_read(given[0]), limit_at = cycles + given[3]; break;
    case WAIT: wait_until = cycles + given[0]; break;
    case RESULTS: wait_until = given[0], limit_at = cycles + given[1]; break;
    case RESET: drive = Drive{}, agent.reset(drive), partial.clear(), wait_until = cycles + given[0]; break;
    case RAILS: drive.rails_ok = given[0], doing = END; break;
    case IRQ: wait_until = given[0], limit_at = cycles + given[1]; break;
    case FRAME:
      if (given[1] == 0 || left < 2 + size_t(given[1])) { outcome = BAD_SCRIPT; return; }
      drive.tuser = given[0], frame_left = given[1], place += 2;
      load_beat();
      break;
  }
}

// The next beat of a frame: `STREAM_CODES` codes, or what is left of them.
void Bulk::load_beat() {
  if (beat_chance.hit()) { drive.tvalid = false, want_beat = true; return; }
  want_beat = false;
  memset(drive.tdata, 0, sizeof drive.tdata);
  const uint32_t count = frame_left < STREAM_CODES ? frame_left : STREAM_CODES;
  for (uint32_t i = 0; i < count; i++) set_field(drive.tdata, i * STREAM_SLOT, STREAM_SLOT, script[place + i]);
  place += count, frame_left -= count;
  drive.tvalid = true, drive.tlast = frame_left == 0;
}

void Bulk::stream(const Sample &s) {
  if (want_beat) return load_beat();
  if (!s.tready) return;
  drive.tvalid = false;
  if (frame_left) load_beat();
  else doing = END;
}

void Bulk::take_results(const Sample &s) {
  if (s.m_tvalid && drive.m_tready) {
    for (int lane = 0; lane < ADC_CODES; lane++)
      partial.push_back(extended(field(s.m_tdata, lane * RESULT_SLOT, RESULT_SLOT), RESULT_SLOT));
    if (s.m_tlast) {
      results.push_back(int32_t(s.m_tuser)), results.push_back(int32_t(partial.size()));
      results.insert(results.end(), partial.begin(), partial.end());
      partial.clear();
      result_frames++;
    }
  }
  drive.m_tready = !result_chance.hit();
}
