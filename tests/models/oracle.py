"""SA2VP written plainly from the paper: each patch looks up its neighbours, nothing is shared.

The backbone's blocks run as timm wrote them. Every stream has the full batch, and every gradient is
taken.
"""

from __future__ import annotations

import torch
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from sa2vp.models import SA2VP


def neighbours(row: int, column: int, grid: int) -> list[int]:
    """List the indices of the patches around one patch, itself included."""
    around = [(r, c) for r in range(row - 1, row + 2) for c in range(column - 1, column + 2)]
    return [r * grid + c for r, c in around if 0 <= r < grid and 0 <= c < grid]


def cross_attention(
    block: nn.Module, q_stream: Tensor, kv_stream: Tensor, fusion: str, class_token: bool
) -> Tensor:
    """Attend from ``q_stream`` to ``kv_stream``, one image, one head and one token at a time."""
    attn = block.attn
    batch, tokens, dim = q_stream.shape
    prefix = int(class_token)
    grid = int((tokens - prefix) ** 0.5)
    weight_q, weight_k, weight_v = attn.qkv.weight.chunk(3)
    bias_q, bias_k, bias_v = attn.qkv.bias.chunk(3)
    queries = block.norm1(q_stream) @ weight_q.T + bias_q
    keys = block.norm1(kv_stream) @ weight_k.T + bias_k
    values = block.norm1(kv_stream) @ weight_v.T + bias_v
    heads = 1 if fusion == "acc" else attn.num_heads
    width = dim // heads
    mixed = torch.zeros(batch, tokens, dim)
    for image in range(batch):
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            for token in range(tokens):
                seen, outside = list(range(tokens)), 0
                if token >= prefix:
                    around = neighbours(*divmod(token - prefix, grid), grid)
                    seen = [prefix + patch for patch in around]
                    outside = 9 - len(seen) if fusion == "acc" else 0
                zeros = torch.zeros(outside, width)
                seen_keys = torch.cat([keys[image, seen, part], zeros])
                seen_values = torch.cat([values[image, seen, part], zeros])
                scores = seen_keys @ queries[image, token, part] * width**-0.5
                mixed[image, token, part] = scores.softmax(0) @ seen_values
    return mixed @ attn.proj.weight.T + attn.proj.bias


def fuse(
    model: SA2VP, index: int, block: nn.Module, q_stream: Tensor, kv_stream: Tensor, fusion: str
) -> Tensor:
    """Adapt ``q_stream`` to ``kv_stream``; what is added to it after the block."""
    class_token = not isinstance(model.backbone, SwinTransformer)
    attended = cross_attention(block, q_stream, kv_stream, fusion, class_token)
    module = model.fusion[index]
    return model.inter_weight * module.up(F.gelu(module.down(module.norm(attended + q_stream))))


def forward_features(model: SA2VP, images: Tensor, fusion: str = "exact") -> tuple[Tensor, Tensor]:
    """Compute both streams' features in evaluation mode."""
    if isinstance(model.backbone, SwinTransformer):
        return swin_features(model, images)
    return vit_features(model, images, fusion)


def vit_features(model: SA2VP, images: Tensor, fusion: str) -> tuple[Tensor, Tensor]:
    backbone = model.backbone
    depth = len(backbone.blocks)
    thirds = [0, depth // 3, 2 * depth // 3]
    class_token = backbone.cls_token.expand(len(images), -1, -1)
    x = torch.cat([class_token, backbone.patch_embed(images)], dim=1) + backbone.pos_embed
    p = model.prompt_proj(model.prompt.expand(len(images), -1, -1)) + backbone.pos_embed
    for index, block in enumerate(backbone.blocks):
        if index in thirds:
            adapted = fuse(model, index, block, p, x, fusion)
            x, p = block(x), block(p)
            if index > 0:
                j = thirds.index(index) - 1
                p = p + model.deep_scale[j] * block(model.deep_proj[j](model.deep_prompt[j]))
            p = p + adapted
        else:
            adapted = fuse(model, index, block, x, p, fusion)
            x, p = block(x) + adapted, block(p)
    return backbone.norm(x)[:, 0], backbone.norm(p)[:, 0]


def swin_features(model: SA2VP, images: Tensor) -> tuple[Tensor, Tensor]:
    backbone = model.backbone
    depths = [len(stage.blocks) for stage in backbone.layers]
    x = backbone.patch_embed(images)
    p = backbone.patch_embed.norm(model.prompt_proj(model.prompt)).view(1, *x.shape[1:])
    p = p.expand(len(images), -1, -1, -1)
    for stage, depth in zip(backbone.layers, depths, strict=True):
        x, p = stage.downsample(x), stage.downsample(p)
        for index, block in enumerate(stage.blocks):
            adapted = torch.zeros(1)
            prompts_adapt = index in (0, depth // 3, 2 * depth // 3)
            if depth == max(depths):
                q, kv = (p, x) if prompts_adapt else (x, p)
                fused = fuse(model, index, block, q.flatten(1, 2), kv.flatten(1, 2), "exact")
                adapted = fused.view(x.shape)
            x, p = block(x), block(p)
            x, p = (x, p + adapted) if prompts_adapt else (x + adapted, p)
    return backbone.norm(x).mean((1, 2)), backbone.norm(p).mean((1, 2))
