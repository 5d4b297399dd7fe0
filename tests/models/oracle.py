"""SA2VP on a ViT, written plainly: each patch looks up its own neighbours, nothing is shared."""

from __future__ import annotations

import torch
from timm.models.vision_transformer import Block
from torch import Tensor

from sa2vp.models import SA2VPViT


def neighbours(row: int, column: int, grid: int) -> list[int]:
    """List the token indices of the patches around one patch, itself included."""
    around = [(r, c) for r in range(row - 1, row + 2) for c in range(column - 1, column + 2)]
    return [1 + r * grid + c for r, c in around if 0 <= r < grid and 0 <= c < grid]


def cross_attention(block: Block, q_stream: Tensor, kv_stream: Tensor, grid: int) -> Tensor:
    """Attend from ``q_stream`` to ``kv_stream``, one image, one head and one token at a time."""
    attn = block.attn
    batch, tokens, dim = q_stream.shape
    weight_q, weight_k, weight_v = attn.qkv.weight.chunk(3)
    bias_q, bias_k, bias_v = attn.qkv.bias.chunk(3)
    queries = block.norm1(q_stream) @ weight_q.T + bias_q
    keys = block.norm1(kv_stream) @ weight_k.T + bias_k
    values = block.norm1(kv_stream) @ weight_v.T + bias_v
    width = dim // attn.num_heads
    mixed = torch.zeros(batch, tokens, dim)
    for image in range(batch):
        for head in range(attn.num_heads):
            part = slice(head * width, (head + 1) * width)
            for token in range(tokens):
                seen = list(range(tokens))
                if token > 0:
                    seen = neighbours((token - 1) // grid, (token - 1) % grid, grid)
                scores = keys[image, seen, part] @ queries[image, token, part] * width**-0.5
                mixed[image, token, part] = scores.softmax(0) @ values[image, seen, part]
    return mixed @ attn.proj.weight.T + attn.proj.bias


def forward_features(model: SA2VPViT, images: Tensor) -> tuple[Tensor, Tensor]:
    """Compute both streams' class-token features in evaluation mode."""
    backbone = model.backbone
    grid = backbone.patch_embed.grid_size[0]
    depth = len(backbone.blocks)
    thirds = [0, depth // 3, 2 * depth // 3]
    patches = backbone.patch_embed(images)
    class_token = backbone.cls_token.expand(len(images), -1, -1)
    x = torch.cat([class_token, patches], dim=1) + backbone.pos_embed
    p = model.prompt_proj(model.prompt.expand(len(images), -1, -1)) + backbone.pos_embed

    def fuse(index: int, q_stream: Tensor, kv_stream: Tensor) -> Tensor:
        fusion = model.fusion[index]
        attended = cross_attention(backbone.blocks[index], q_stream, kv_stream, grid)
        hidden = torch.nn.functional.gelu(fusion.down(fusion.norm(attended + q_stream)))
        return model.inter_weight * fusion.up(hidden)

    for index, block in enumerate(backbone.blocks):
        if index in thirds:
            adapted = fuse(index, p, x)
            x, p = block(x), block(p)
            if index > 0:
                j = thirds.index(index) - 1
                p = p + model.deep_scale[j] * block(model.deep_proj[j](model.deep_prompt[j]))
            p = p + adapted
        else:
            adapted = fuse(index, x, p)
            x, p = block(x) + adapted, block(p)
    return backbone.norm(x)[:, 0], backbone.norm(p)[:, 0]
