"""Training: a golden FP32 run and the same network on analog tiles, in one loop.

The one room of the model that imports torch.
"""
