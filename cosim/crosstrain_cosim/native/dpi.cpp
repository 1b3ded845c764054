// The same `Bulk` inside a simulator: bulk.sv calls `bulk_edge` at every rising edge of its clock.
// A simulation is a process with one controller, hence one object.
#include "bulk.h"
#include "svdpi.h"

static Bulk one;

extern "C" {

Bulk *bulk_open() { return &one; }
void bulk_close(Bulk *) {}

// Wide pins come as they are; what is a single bit or short is packed by bulk.sv in the order below, from bit 0.
int bulk_edge(const svBitVecVal *flags, unsigned rdata, unsigned m_tuser, const svBitVecVal *command,
              const svBitVecVal *m_tdata, const svBitVecVal *rows, const svBitVecVal *columns,
              const svBitVecVal *direction, const svBitVecVal *dac, const svBitVecVal *groups, const svBitVecVal *amplitude,
              svBitVecVal *controls, svBitVecVal *bus, unsigned *tuser, svBitVecVal *tdata, svBitVecVal *adc,
              svBitVecVal *done) {
  const uint32_t f = flags[0];
  auto bit = [f](int i) { return bool(f >> i & 1); };
  Sample s;
  s.awready = bit(0), s.wready = bit(1), s.bvalid = bit(2), s.arready = bit(3), s.rvalid = bit(4), s.tready = bit(5);
  s.m_tvalid = bit(6), s.m_tlast = bit(7), s.irq = bit(8), s.cmd_valid = bit(9), s.slot_valid = bit(10);
  s.slot_last = bit(11), s.dac_valid = bit(12), s.dac_last = bit(13), s.adc_ready = bit(14), s.done_ready = bit(15);
  s.prog_enable = bit(16), s.bresp = f >> 17 & 3, s.rresp = f >> 19 & 3;
  s.rdata = rdata, s.m_tuser = m_tuser;
  s.cmd_op = field(command, 0, 4), s.cmd_array = field(command, 4, 3), s.cmd_tag = field(command, 7, 8);
  s.cmd_width = field(command, 15, 28), s.cmd_row = field(command, 43, 32);
  s.m_tdata = m_tdata, s.slot_rows = rows, s.slot_columns = columns, s.slot_direction = direction, s.dac_codes = dac;
  s.cmd_groups = groups, s.cmd_amplitude = amplitude;
  const int outcome = one.clock(s);
  const Drive &d = one.drive;
  const bool bits[] = {d.reset,     d.awvalid,   d.wvalid,    d.bready,    d.arvalid,  d.rready,     d.tvalid,  d.tlast,
                       d.m_tready,  d.cmd_ready, d.slot_ready, d.dac_ready, d.adc_valid, d.adc_last, d.done_valid, d.rails_ok};
  uint32_t packed = 0;
  for (int i = 0; i < 16; i++) packed |= uint32_t(bits[i]) << i;
  controls[0] = packed;
  bus[0] = d.wdata, bus[1] = d.awaddr | d.araddr << 12 | d.wstrb << 24;
  *tuser = d.tuser;
  memcpy(tdata, d.tdata, sizeof d.tdata), memcpy(adc, d.adc_codes, sizeof d.adc_codes);
  done[0] = d.done_pulses | d.done_tag << 16 | d.done_status << 24;
  return outcome;
}
}
