"""Which top a design has: one controller per way of keeping the gradient, and of programming."""

from crosstrain_model.section import refuse


def controller(design):
    """The component whose Verilog is the design's: `Controller`, `StreamController` or `GradientController`."""
    if design.carried:
        raise refuse("scheme", design.scheme, "has no Verilog yet: the model alone")
    if design.streamed:
        from crosstrain_hdl.stream_controller import StreamController

        return StreamController(design)
    if design.pulsed:
        from crosstrain_hdl.gradient_controller import GradientController

        return GradientController(design)
    from crosstrain_hdl.controller import Controller

    return Controller(design)
