"""Which top a design has: one controller per way of keeping the gradient, and of programming."""


def controller(design):
    """The component whose Verilog is the design's: `Controller`, `StreamController`, `HybridController` or
    `GradientController`."""
    if design.carried:
        from crosstrain_hdl.hybrid_controller import HybridController

        return HybridController(design)
    if design.streamed:
        from crosstrain_hdl.stream_controller import StreamController

        return StreamController(design)
    if design.pulsed:
        from crosstrain_hdl.gradient_controller import GradientController

        return GradientController(design)
    from crosstrain_hdl.controller import Controller

    return Controller(design)
