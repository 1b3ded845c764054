// The array agent of agent.h.
#include "agent.h"

void Agent::reset(Drive &d) {
  busy = pulsing = wants_dac = false;
  adc_next = adc_count = 0;
  dones.clear();
  d.cmd_ready = d.slot_ready = d.dac_ready = true;
  d.adc_valid = d.done_valid = false;
}

void Agent::clock(const Sample &s, Drive &d, uint64_t cycle) {
  // Order within an edge: what was given is taken, then what was accepted is acted on.
  unaware = !dones.empty();
  if (d.done_valid && s.done_ready) dones.pop_front(), d.done_valid = false;
  if (d.adc_valid && s.adc_ready) {
    d.adc_valid = false;
    if (++adc_next == adc_count) adc_next = adc_count = 0, finish(ending, cycle + latency);
  }
  if (s.slot_valid && d.slot_ready) slot(s, cycle);
  if (s.dac_valid && d.dac_ready) dac(s);
  if (pulsing && cycle >= pulse_end) pulsing = false, finish(ending, cycle + latency);
  if (s.cmd_valid && d.cmd_ready) command(s, cycle);
  if (adc_next == adc_count) d.adc_valid = false;
  if (adc_next < adc_count && !d.adc_valid && !chance.hit()) present(d);
  if (!d.done_valid && !dones.empty() && dones.front().due <= cycle) {
    const Done &done = dones.front();
    d.done_valid = true, d.done_tag = done.tag, d.done_status = done.status, d.done_pulses = done.pulses;
  }
  if (chance.percent) d.cmd_ready = !chance.hit(), d.slot_ready = !chance.hit(), d.dac_ready = !chance.hit();
}

void Agent::command(const Sample &s, uint64_t cycle) {
  if (s.cmd_op == OP_ABORT) {
    // Pulses that were fired count; what was queued is dropped.
    pulsing = wants_dac = false;
    adc_next = adc_count = 0;
    if (busy) finish(STATUS_ABORTED, cycle);
    dones.push_back({s.cmd_tag, STATUS_ABORTED, 0, cycle});
    return;
  }
  if (busy || !dones.empty()) return blame("a command came before the former one was completed");
  now = Event{};
  now.op = s.cmd_op, now.array = s.cmd_array, now.row = s.cmd_row, now.tag = s.cmd_tag;
  now.width = s.cmd_width;
  take_amplitudes(s, now);
  if (!hooks[now.array & 7].hook != !hooks[ARRAY_W].hook) return blame("a command for an array that is not there");
  busy = true;
  ending = STATUS_OK;
  dac_words = 0;
  for (int group = 0; DEVICE_READS && group < GROUPS; group++)
    named[group] = now.op != OP_READ_ROW || (s.cmd_groups[group >> 5] >> (group & 31) & 1);
  if (now.op == OP_FORWARD || (now.op == OP_BACKWARD && !VERIFIED)) wants_dac = true;
  else if (now.op == OP_READ_ROW) convert();
  else if (now.op == OP_PROGRAM || (now.op == OP_FORM && VERIFIED)) pulse_end = 0;
  else blame("a command of an operation that this array does not have");
}

void Agent::slot(const Sample &s, uint64_t cycle) {
  if (!busy && unaware) return;  // the command ended early, and the controller could not know yet
  if (!busy || (now.op != OP_PROGRAM && now.op != OP_FORM)) return blame("a pulse slot came outside a program command");
  if (!s.prog_enable) {  // no pulse without it
    ending = STATUS_INTERLOCK, pulsing = true, pulse_end = cycle;
    return;
  }
  if (cycle < pulse_end) blame("a pulse slot came while the former pulse lasted");
  const int columns = of_cells() ? COLUMNS * CELLS : DEVICE_COLUMNS;
  for (int word = 0; word < SLOT_WORDS; word++) {
    for (uint32_t left = s.slot_columns[word]; left; left &= left - 1) {
      const int bit = __builtin_ctz(left);
      const int column = 32 * word + bit;
      if (column >= columns) return blame("a pulse beyond the last device column");
      (s.slot_direction[word] >> bit & 1 ? now.set_counts : now.reset_counts)[column]++;
      now.pulses++;
    }
  }
  pulse_end = cycle + now.width;
  if (s.slot_last) pulsing = true;
}

void Agent::dac(const Sample &s) {
  if (!wants_dac && unaware) return;
  if (!wants_dac) return blame("a DAC word came outside a read");
  if (VERIFIED) return dac_bits(s);
  const bool forward = now.op == OP_FORWARD;
  const int words = forward ? ROW_WORDS : GROUPS, bits = forward ? X_BITS : D_BITS;
  for (int lane = 0; lane < LANES; lane++)
    codes_in[dac_words * LANES + lane] = extended(field(s.dac_codes, lane * DAC_BITS, bits), bits);
  dac_words++;
  if (s.dac_last != (dac_words == words)) return blame("dac_last at the wrong word");
  if (s.dac_last) wants_dac = false, convert();
}

// Unsigned codes: words of `LANES` of them, or one bit of every row, the same for each group.
void Agent::dac_bits(const Sample &s) {
  const int words = SERIAL ? GROUPS * X_BITS : ROW_WORDS, bit = dac_words % X_BITS;
  if (dac_words == 0) memset(codes_in, 0, sizeof codes_in);
  for (int row = 0; SERIAL && row < ROWS; row++) {
    const int32_t now_set = s.dac_codes[row >> 5] >> (row & 31) & 1;
    if (dac_words < X_BITS) codes_in[row] |= now_set << bit;
    else if ((codes_in[row] >> bit & 1) != now_set) return blame("groups are read with different codes");
  }
  for (int lane = 0; !SERIAL && lane < LANES; lane++)
    codes_in[dac_words * LANES + lane] = int32_t(field(s.dac_codes, lane * DAC_BITS, X_BITS));
  dac_words++;
  if (s.dac_last != (dac_words == words)) return blame("dac_last at the wrong word");
  if (s.dac_last) wants_dac = false, convert();
}

void Agent::convert() {
  const bool backward = now.op == OP_BACKWARD, devices = VERIFIED || (DEVICE_READS && now.op == OP_READ_ROW);
  const int inputs = now.op == OP_READ_ROW ? 0 : backward ? COLUMNS : ROWS;
  const int outputs = of_cells() ? COLUMNS * CELLS : backward ? ROWS : devices ? DEVICE_COLUMNS : COLUMNS;
  memset(codes_out, 0, sizeof codes_out);
  const uint32_t what = backward ? HOOK_BACKWARD : inputs ? HOOK_FORWARD : HOOK_READ_ROW;
  if (of_cells() && inputs) return blame("a read of vectors of array L");
  const Attached &array = hooks[now.array & 7];
  if (array.hook && array.hook(array.user, what, now.array, now.row, nullptr, nullptr,
                               DEVICE_READS && !inputs ? named : codes_in, codes_out) != 0)
    blame("the array refused a read");
  reads.insert(reads.end(), codes_in, codes_in + inputs);
  reads.insert(reads.end(), codes_out, codes_out + outputs);
  adc_next = adc_count = 0;
  word_codes = of_cells() ? CELL_CODES : devices ? ADC_CODES : LANES, code_bits = of_cells() ? 1 : ADC_BITS;
  for (int word = 0; word < (backward ? ROW_WORDS : GROUPS); word++)
    if (inputs || !DEVICE_READS || named[word]) order[adc_count++] = word;
  for (int c = 0; devices && !of_cells() && c < outputs; c++)
    if (codes_out[c] == (1 << ADC_BITS) - 1) ending = STATUS_SATURATED;
}

void Agent::present(Drive &d) {
  memset(d.adc_codes, 0, sizeof d.adc_codes);
  for (int place = 0; place < word_codes; place++)
    set_field(d.adc_codes, place * code_bits, code_bits, uint32_t(codes_out[order[adc_next] * word_codes + place]));
  d.adc_valid = true, d.adc_last = adc_next + 1 == adc_count;
}

void Agent::finish(uint32_t status, uint64_t due) {
  busy = false;
  now.status = status, now.cycle = due;
  events.push_back(now);
  dones.push_back({now.tag, status, now.pulses, due});
  if (now.pulses && hooks[now.array & 7].hook) pulse();
}

// The pulses reach the devices when their command ends.
void Agent::pulse() {
  int32_t how[1 + AMPLITUDES] = {now.op == OP_FORM};
  for (int i = 0; i < AMPLITUDES; i++) how[1 + i] = int32_t(now.amplitude[i]);
  const Attached &array = hooks[now.array & 7];
  const int32_t done =
      array.hook(array.user, HOOK_PROGRAM, now.array, now.row, now.set_counts, now.reset_counts, how, nullptr);
  if (done != int32_t(now.pulses)) blame("the array refused a row program");
}
