// The array agent of queue_agent.h.
#include "queue_agent.h"

static bool is_pulse(uint32_t op) { return op == OP_TRAIN || op == OP_PROGRAM; }
static bool is_read(uint32_t op) { return op == OP_FORWARD || op == OP_BACKWARD || op == OP_READ_ROW; }

void Agent::reset(Drive &d) {
  waiting.clear(), ended.clear();
  working = false;
  busy_until = 0;
  d.cmd_ready = d.slot_ready = d.dac_ready = true;
  d.adc_valid = d.done_valid = false;
}

void Agent::clock(const Sample &s, Drive &d, uint64_t cycle) {
  // Order within an edge: what was given is taken, the analog half goes on, what was accepted is acted on.
  if (d.done_valid && s.done_ready) {
    if (!ended.front().abort) events.push_back(ended.front().event), events.back().cycle = cycle;
    ended.pop_front(), d.done_valid = false;
  }
  if (d.adc_valid && s.adc_ready) {
    Open *read = reading();
    d.adc_valid = false;
    if (read && ++read->adc_next == read->adc_count) read->over = cycle + latency;
  }
  begin(cycle);
  if (s.slot_valid && d.slot_ready) slot(s, cycle);
  if (s.dac_valid && d.dac_ready) dac(s, cycle);
  if (s.cmd_valid && d.cmd_ready) command(s, cycle);
  begin(cycle);
  Open *read = reading();
  if (!read) d.adc_valid = false;
  else if (!d.adc_valid && cycle >= read->words_from && !chance.hit()) {
    for (int lane = 0; lane < LANES; lane++)
      set_field(d.adc_codes, lane * ADC_BITS, ADC_BITS, uint32_t(read->codes_out[read->adc_next * LANES + lane]));
    d.adc_valid = true, d.adc_last = read->adc_next + 1 == read->adc_count;
  }
  if (!d.done_valid && !ended.empty()) {
    const Open &first = ended.front();
    if (first.adc_next == first.adc_count && first.over <= cycle) {
      d.done_valid = true, d.done_tag = first.event.tag, d.done_status = first.event.status;
      d.done_pulses = first.event.pulses;
    }
  }
  d.slot_ready = takes_slots(cycle);
  if (chance.percent) d.cmd_ready = !chance.hit(), d.slot_ready = d.slot_ready && !chance.hit(), d.dac_ready = !chance.hit();
}

// ---- the queue ----

void Agent::command(const Sample &s, uint64_t cycle) {
  if (s.cmd_op == OP_ABORT) return abort(s, cycle);
  if (waiting.size() + ended.size() + working >= OUTSTANDING) return blame("more commands came than may be open");
  if (!is_pulse(s.cmd_op) && !is_read(s.cmd_op)) return blame("a command of an operation that no array has");
  waiting.emplace_back();
  Event &event = waiting.back().event;
  event.op = s.cmd_op, event.array = s.cmd_array, event.row = s.cmd_row, event.tag = s.cmd_tag;
  event.width = s.cmd_width;
  take_amplitudes(s, event);
}

// Everything that is not finished ends; pulses that were fired count, words that were not taken are dropped.
void Agent::abort(const Sample &s, uint64_t cycle) {
  for (Open &open : ended)
    if (open.adc_next < open.adc_count) open.adc_next = open.adc_count = 0, open.event.status = STATUS_ABORTED, open.over = cycle;
  if (working) working = false, finish(now, STATUS_ABORTED, cycle);
  for (Open &open : waiting) finish(open, STATUS_ABORTED, cycle);
  waiting.clear();
  ended.emplace_back();
  ended.back().abort = true, ended.back().over = cycle;
  ended.back().event.tag = s.cmd_tag, ended.back().event.status = STATUS_ABORTED;
}

// Whether slots of a command that ended early may still be offered.
bool Agent::held() const {
  for (const Open &open : ended)
    if (open.early) return true;
  return false;
}

// The next command, where the analog half is free; a row is read at once, and keeps it busy.
void Agent::begin(uint64_t cycle) {
  while (!working && !waiting.empty() && cycle >= busy_until && !held()) {
    now = std::move(waiting.front());
    waiting.pop_front();
    if (now.event.op == OP_READ_ROW) convert(now, cycle, pace.row_cycles);
    else working = true, dac_words = 0, rows.clear(), columns.clear();
  }
}

// Whether the next edge may bring a slot: a pulse command is at work then, or comes.
bool Agent::takes_slots(uint64_t cycle) const {
  if (working) return is_pulse(now.event.op);
  if (cycle + 1 < busy_until || held()) return false;
  for (const Open &open : waiting) {
    if (is_pulse(open.event.op)) return true;
    if (open.event.op != OP_READ_ROW || pace.row_cycles) return false;
  }
  return true;
}

// The work of a command is over: what was fired reaches its array, and its completion is due.
void Agent::finish(Open &command, uint32_t status, uint64_t cycle) {
  command.event.status = status;
  command.over = (cycle > busy_until ? cycle : busy_until) + latency;
  if (command.event.pulses) deliver(command.event);
  ended.push_back(command);
}

void Agent::worked(uint64_t cycle, uint64_t cycles, uint64_t &sum) {
  if (!pace.last) pace.first = cycle;
  sum += cycles;
  busy_until = pace.last = cycle + cycles;
}

// ---- slots ----

void Agent::slot(const Sample &s, uint64_t cycle) {
  if (!working || !is_pulse(now.event.op)) return blame("a pulse slot came outside a pulse command");
  if (!s.prog_enable) {  // no pulse without it
    working = false, now.early = true, finish(now, STATUS_INTERLOCK, cycle);
    return;
  }
  if (cycle < busy_until) blame("a pulse slot came while the former pulse lasted");
  if (now.event.op == OP_TRAIN) train_slot(s);
  else {
    for (int word = 0; word < SLOT_WORDS; word++) {
      for (uint32_t left = s.slot_columns[word]; left; left &= left - 1) {
        const int bit = __builtin_ctz(left), column = 32 * word + bit;
        (s.slot_direction[word] >> bit & 1 ? now.event.set_counts : now.event.reset_counts)[column]++;
        now.event.pulses++;
      }
    }
  }
  worked(cycle, now.event.width, pace.pulse_cycles);
  if (s.slot_last) working = false, finish(now, STATUS_OK, cycle);
}

void Agent::train_slot(const Sample &s) {
  const size_t slot = now.event.pulses++;
  rows.resize((slot + 1) * ROWS), columns.resize((slot + 1) * DEVICE_COLUMNS);
  for (int word = 0; word < ROW_MASK_WORDS; word++)
    for (uint32_t left = s.slot_rows[word]; left; left &= left - 1) rows[slot * ROWS + 32 * word + __builtin_ctz(left)] = 1;
  for (int word = 0; word < SLOT_WORDS; word++) {
    for (uint32_t left = s.slot_columns[word]; left; left &= left - 1) {
      const int bit = __builtin_ctz(left);
      columns[slot * DEVICE_COLUMNS + 32 * word + bit] = 1 + (s.slot_direction[word] >> bit & 1);
    }
  }
  trains.insert(trains.end(), s.slot_rows, s.slot_rows + ROW_MASK_WORDS);
  trains.insert(trains.end(), s.slot_columns, s.slot_columns + SLOT_WORDS);
  trains.insert(trains.end(), s.slot_direction, s.slot_direction + SLOT_WORDS);
}

void Agent::deliver(const Event &event) {
  const Array &array = arrays[event.array & 7];
  if (!array.hook) return;
  if (event.op == OP_TRAIN) {
    if (array.hook(array.user, HOOK_TRAIN, event.array, event.pulses, rows.data(), columns.data(), nullptr, nullptr) < 0)
      blame("an array refused a train");
  } else {
    const int32_t done =
        array.hook(array.user, HOOK_PROGRAM, event.array, event.row, event.set_counts, event.reset_counts, nullptr, nullptr);
    if (done != int32_t(event.pulses)) blame("an array refused a row program");
  }
}

// ---- reads ----

void Agent::dac(const Sample &s, uint64_t cycle) {
  if (!working || !is_read(now.event.op)) return blame("a DAC word came outside a read");
  const bool forward = now.event.op == OP_FORWARD;
  const int words = forward ? ROW_WORDS : GROUPS, bits = forward ? X_BITS : D_BITS;
  for (int lane = 0; lane < LANES; lane++)
    codes_in[dac_words * LANES + lane] = extended(field(s.dac_codes, lane * DAC_BITS, bits), bits);
  dac_words++;
  if (s.dac_last != (dac_words == words)) return blame("dac_last at the wrong word");
  if (s.dac_last) working = false, convert(now, cycle, 0);
}

void Agent::convert(Open &read, uint64_t cycle, uint32_t cycles) {
  const Event &event = read.event;
  const Array &array = arrays[event.array & 7];
  const bool backward = event.op == OP_BACKWARD;
  const int inputs = event.op == OP_READ_ROW ? 0 : backward ? COLUMNS : ROWS;
  const uint32_t what = backward ? HOOK_BACKWARD : inputs ? HOOK_FORWARD : HOOK_READ_ROW;
  if (array.hook && array.hook(array.user, what, event.array, event.row, nullptr, nullptr, codes_in, read.codes_out) != 0)
    blame("an array refused a read");
  reads.insert(reads.end(), codes_in, codes_in + inputs);
  reads.insert(reads.end(), read.codes_out, read.codes_out + (backward ? ROWS : COLUMNS));
  read.adc_count = backward ? ROW_WORDS : GROUPS;
  worked(cycle, cycles, pace.read_cycles);
  read.words_from = busy_until;
  finish(read, STATUS_OK, cycle);
}

// The read whose words go out: in order, and none before the completion of the read before was taken.
Agent::Open *Agent::reading() {
  for (Open &open : ended)
    if (is_read(open.event.op)) return open.adc_next < open.adc_count ? &open : nullptr;
  return nullptr;
}
