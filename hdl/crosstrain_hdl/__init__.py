"""The chip: one Amaranth component per station, the controller, its buses, and the emission of Verilog."""
