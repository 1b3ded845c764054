// The shared library: a verilated controller with a `Bulk` at its pins and no simulator around it.
// One model per thread; nothing is shared between models.
#include <memory>

#include "Vtop.h"
#include "Vtop___024root.h"
#include "bulk.h"
#include "verilated.h"

void Vtop___024root___eval(Vtop___024root *);

// The rising edge in one evaluation: nothing happens at the falling edge, so the model is only told that it has been.
// A Verilator that names the member otherwise gets both edges evaluated.
template <class Root> auto rise(Vtop &top, Root *root, int) -> decltype(root->__Vtrigprevexpr___TOP__clk__0, void()) {
  top.clk = 1;
  Vtop___024root___eval(root);
  top.clk = 0;
  root->__Vtrigprevexpr___TOP__clk__0 = 0;
}
template <class Root> void rise(Vtop &top, Root *, long) {
  top.clk = 1;
  top.eval();
  top.clk = 0;
  top.eval();
}

// Ports have the smallest C type that holds them (up to 64 bits) or are arrays of words: one way to reach both.
template <class T> inline void copy_out(const T &port, uint32_t *words, int count) {
  if constexpr (std::is_integral_v<T>) {
    words[0] = uint32_t(port);
    if constexpr (sizeof(T) == 8) words[1] = uint32_t(uint64_t(port) >> 32);
  } else {
    for (int i = 0; i < count; i++) words[i] = port[i];
  }
}
template <class T> inline void copy_in(T &port, const uint32_t *words, int count) {
  if constexpr (std::is_integral_v<T>) {
    uint64_t value = words[0];
    if constexpr (sizeof(T) == 8) value |= uint64_t(words[1]) << 32;
    port = T(value);
  } else {
    for (int i = 0; i < count; i++) port[i] = words[i];
  }
}

struct Compiled : Bulk {
  std::unique_ptr<VerilatedContext> context{new VerilatedContext};
  std::unique_ptr<Vtop> top{new Vtop{context.get(), ""}};
  Drive given;  // what the inputs are
  uint32_t rows[ROW_MASK_WORDS] = {};
  uint32_t m_tdata[RESULT_WORDS] = {}, columns[SLOT_WORDS] = {}, direction[SLOT_WORDS] = {}, dac[DAC_WORDS] = {}, groups[GROUP_WORDS] = {};
  uint32_t amplitude[AMPLITUDE_WORDS] = {};

  Compiled() {
    top->clk = 0;
    give();
    top->eval();
  }
  ~Compiled() { top->final(); }

  void give() {
    Vtop &t = *top;
    given = drive;
#ifdef ACTIVE_LOW_RESET
    t.rst_n = !drive.reset;
#else
    t.rst = drive.reset;
#endif
    t.s_axil_awaddr = drive.awaddr, t.s_axil_awvalid = drive.awvalid, t.s_axil_awprot = 0;
    t.s_axil_wdata = drive.wdata, t.s_axil_wstrb = drive.wstrb, t.s_axil_wvalid = drive.wvalid;
    t.s_axil_bready = drive.bready, t.s_axil_araddr = drive.araddr, t.s_axil_arvalid = drive.arvalid;
    t.s_axil_arprot = 0, t.s_axil_rready = drive.rready;
    if (drive.tvalid) copy_in(t.s_axis_tdata, drive.tdata, TDATA_WORDS);
    t.s_axis_tvalid = drive.tvalid, t.s_axis_tlast = drive.tlast, t.s_axis_tuser = drive.tuser;
    t.m_axis_tready = drive.m_tready;
    t.arr_cmd_ready = drive.cmd_ready, t.arr_slot_ready = drive.slot_ready, t.arr_dac_ready = drive.dac_ready;
    if (drive.adc_valid) copy_in(t.arr_adc_codes, drive.adc_codes, ADC_WORDS);
    t.arr_adc_valid = drive.adc_valid, t.arr_adc_last = drive.adc_last;
    t.arr_done_valid = drive.done_valid, t.arr_done_tag = drive.done_tag;
    t.arr_done_status = drive.done_status, t.arr_done_pulses = drive.done_pulses;
    t.arr_rails_ok = drive.rails_ok;
  }

  Sample look() {
    const Vtop &t = *top;
    Sample s;
    s.awready = t.s_axil_awready, s.wready = t.s_axil_wready, s.bvalid = t.s_axil_bvalid, s.bresp = t.s_axil_bresp;
    s.arready = t.s_axil_arready, s.rvalid = t.s_axil_rvalid, s.rdata = t.s_axil_rdata, s.rresp = t.s_axil_rresp;
    s.tready = t.s_axis_tready, s.irq = t.irq, s.prog_enable = t.arr_prog_enable;
    s.adc_ready = t.arr_adc_ready, s.done_ready = t.arr_done_ready;
    s.m_tvalid = t.m_axis_tvalid, s.cmd_valid = t.arr_cmd_valid, s.slot_valid = t.arr_slot_valid;
    s.dac_valid = t.arr_dac_valid;
    s.m_tdata = m_tdata, s.slot_rows = rows, s.slot_columns = columns, s.slot_direction = direction, s.dac_codes = dac;
    s.cmd_groups = groups, s.cmd_amplitude = amplitude;
    if (s.m_tvalid) {
      s.m_tlast = t.m_axis_tlast, s.m_tuser = t.m_axis_tuser;
      copy_out(t.m_axis_tdata, m_tdata, RESULT_WORDS);
    }
    if (s.cmd_valid) {
      s.cmd_op = t.arr_cmd_op, s.cmd_array = t.arr_cmd_array, s.cmd_row = t.arr_cmd_row, s.cmd_tag = t.arr_cmd_tag;
      s.cmd_width = t.arr_cmd_width;
      copy_out(t.arr_cmd_amplitude, amplitude, AMPLITUDE_WORDS);
#ifdef GROUPS_NAMED
      copy_out(t.arr_cmd_groups, groups, GROUP_WORDS);
#endif
    }
    if (s.slot_valid) {
      s.slot_last = t.arr_slot_last;
#ifdef PULSED
      copy_out(t.arr_slot_rows, rows, ROW_MASK_WORDS);
#endif
      copy_out(t.arr_slot_columns, columns, SLOT_WORDS), copy_out(t.arr_slot_direction, direction, SLOT_WORDS);
    }
    if (s.dac_valid) s.dac_last = t.arr_dac_last, copy_out(t.arr_dac_codes, dac, DAC_WORDS);
    return s;
  }
};

extern "C" {

Bulk *bulk_open() { return new Compiled; }
void bulk_close(Bulk *b) { delete static_cast<Compiled *>(b); }

// Work off what was submitted, at most `limit` cycles; the outcome.
int bulk_run(Bulk *b, uint64_t limit) {
  Compiled &c = *static_cast<Compiled *>(b);
  for (uint64_t end = c.cycles + limit; c.outcome == RUNNING && c.cycles < end;) {
    const Sample seen = c.look();
    rise(*c.top, c.top->rootp, 0);
    c.clock(seen);
    if (memcmp(&c.drive, &c.given, sizeof(Drive)) != 0) {  // what depends on the inputs alone must settle
      c.give();
      Vtop___024root___eval(c.top->rootp);
    }
  }
  return c.outcome == RUNNING ? TOO_LONG : c.outcome;
}
}
