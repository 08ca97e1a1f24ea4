"""Mask R-CNN (He et al. 2017) as published with torchvision, ResNet-50-FPN."""
