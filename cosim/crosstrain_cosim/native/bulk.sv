// A controller with its clock, its host and its array: no signal has to be driven from outside.
// `go` starts the clock, which stops when the submitted script is done; `finished` then counts up.
// The sizes are macros, given by compiled.py from the design; TOP is the controller's module.
module bulk;
  import "DPI-C" function int bulk_edge(
      input bit [31:0] flags, input int unsigned rdata, input int unsigned m_tuser, input bit [95:0] command,
      input bit [`RESULT_BITS-1:0] m_tdata, input bit [`ROW_MASK_BITS-1:0] rows, input bit [`PORT_COLUMNS-1:0] columns,
      input bit [`PORT_COLUMNS-1:0] direction, input bit [`DAC_BITS-1:0] dac,
      input bit [`GROUPS-1:0] groups, input bit [`AMPLITUDE_BITS-1:0] amplitude,
      output bit [31:0] controls, output bit [63:0] bus, output int unsigned tuser,
      output bit [`TDATA_BITS-1:0] tdata, output bit [`ADC_BITS-1:0] adc, output bit [31:0] done);

  bit go = 0;
  bit clk = 0;
  int unsigned finished = 0;
  int outcome = -1;

  // What the host and the array drive.
  bit [31:0] controls = 1;
  bit [63:0] bus = 0;
  int unsigned tuser = 0;
  bit [`TDATA_BITS-1:0] tdata = 0;
  bit [`ADC_BITS-1:0] adc = 0;
  bit [31:0] done = 0;

  // What the controller drives.
  wire awready, wready, bvalid, arready, rvalid, tready, m_tvalid, m_tlast, irq;
  wire cmd_valid, slot_valid, slot_last, dac_valid, dac_last, adc_ready, done_ready, prog_enable;
  wire [1:0] bresp, rresp;
  wire [31:0] rdata;
  wire [19:0] m_tuser;
  wire [3:0] cmd_op;
  wire [2:0] cmd_array;
  wire [`CMD_ROW_BITS-1:0] cmd_row;
  wire [27:0] cmd_width;
  wire [`AMPLITUDE_BITS-1:0] cmd_amplitude;
  wire [7:0] cmd_tag;
  wire [`RESULT_BITS-1:0] m_tdata;
  wire [`PORT_COLUMNS-1:0] columns, direction;
  wire [`DAC_BITS-1:0] dac;
  wire [`GROUPS-1:0] groups;  // that a READ_ROW names
`ifndef GROUPS_NAMED
  assign groups = 0;
`endif
  wire [`ROW_MASK_BITS-1:0] rows;  // of trains
`ifndef PULSED
  assign rows = 0;
`endif

  `TOP dut (
      .clk(clk),
`ifdef ACTIVE_LOW_RESET
      .rst_n(~controls[0]),
`else
      .rst(controls[0]),
`endif
      .s_axil_awaddr(bus[43:32]), .s_axil_awprot(3'b0), .s_axil_awvalid(controls[1]), .s_axil_awready(awready),
      .s_axil_wdata(bus[31:0]), .s_axil_wstrb(bus[59:56]), .s_axil_wvalid(controls[2]), .s_axil_wready(wready),
      .s_axil_bresp(bresp), .s_axil_bvalid(bvalid), .s_axil_bready(controls[3]),
      .s_axil_araddr(bus[55:44]), .s_axil_arprot(3'b0), .s_axil_arvalid(controls[4]), .s_axil_arready(arready),
      .s_axil_rdata(rdata), .s_axil_rresp(rresp), .s_axil_rvalid(rvalid), .s_axil_rready(controls[5]),
      .s_axis_tdata(tdata), .s_axis_tuser(tuser), .s_axis_tvalid(controls[6]), .s_axis_tlast(controls[7]),
      .s_axis_tready(tready), .m_axis_tdata(m_tdata), .m_axis_tuser(m_tuser), .m_axis_tvalid(m_tvalid),
      .m_axis_tlast(m_tlast), .m_axis_tready(controls[8]), .irq(irq),
      .arr_cmd_valid(cmd_valid), .arr_cmd_ready(controls[9]), .arr_cmd_op(cmd_op), .arr_cmd_array(cmd_array),
      .arr_cmd_row(cmd_row), .arr_cmd_width(cmd_width), .arr_cmd_amplitude(cmd_amplitude), .arr_cmd_tag(cmd_tag),
`ifdef GROUPS_NAMED
      .arr_cmd_groups(groups),
`endif
`ifdef PULSED
      .arr_slot_rows(rows),
`endif
      .arr_slot_valid(slot_valid), .arr_slot_ready(controls[10]), .arr_slot_columns(columns),
      .arr_slot_direction(direction), .arr_slot_last(slot_last),
      .arr_dac_valid(dac_valid), .arr_dac_ready(controls[11]), .arr_dac_codes(dac), .arr_dac_last(dac_last),
      .arr_adc_valid(controls[12]), .arr_adc_ready(adc_ready), .arr_adc_codes(adc), .arr_adc_last(controls[13]),
      .arr_done_valid(controls[14]), .arr_done_ready(done_ready), .arr_done_pulses(done[15:0]),
      .arr_done_tag(done[23:16]), .arr_done_status(done[26:24]),
      .arr_prog_enable(prog_enable), .arr_rails_ok(controls[15]));

  wire [31:0] flags = {11'b0, rresp, bresp, prog_enable, done_ready, adc_ready, dac_last, dac_valid, slot_last,
                       slot_valid, cmd_valid, irq, m_tlast, m_tvalid, tready, rvalid, arready, bvalid, wready, awready};
  wire [95:0] command = 96'({cmd_row, cmd_width, cmd_tag, cmd_array, cmd_op});

  always begin
    wait (go);
    while (go) begin
      #5 clk = 1;
      #5 clk = 0;
    end
  end

  always @(posedge clk) begin
    int now;
    bit [31:0] controls_next, done_next;
    bit [63:0] bus_next;
    int unsigned tuser_next;
    bit [`TDATA_BITS-1:0] tdata_next;
    bit [`ADC_BITS-1:0] adc_next;
    now = bulk_edge(flags, rdata, {12'b0, m_tuser}, command, m_tdata, rows, columns, direction, dac, groups,
                    cmd_amplitude, controls_next, bus_next, tuser_next, tdata_next, adc_next, done_next);
    controls <= controls_next;
    bus <= bus_next;
    tuser <= tuser_next;
    tdata <= tdata_next;
    adc <= adc_next;
    done <= done_next;
    if (now != -1) begin
      outcome <= now;
      finished <= finished + 1;
      go <= 0;
    end
  end
endmodule
