"""What a kernel builds with, by name: backbones with their weights, losses, optimizers and schedules."""
