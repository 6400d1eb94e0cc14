"""Our short names of backbones. Free of torch and timm, so that a name can be read without them."""

#: Our names -> timm's, with the weights pinned. timm has no trained efficientnet_b7, only the tf_ one.
TAGS = {
    "effb0": "efficientnet_b0.ra_in1k",
    "effb4": "efficientnet_b4.ra2_in1k",
    "effb7": "tf_efficientnet_b7.ra_in1k",
    "resnext50": "resnext50_32x4d.ra_in1k",
    "lite0": "tf_efficientnet_lite0.in1k",
}
