"""SA2VP as the paper describes it and the published code computes it, without any shortcut.

Read this first: it is the whole forward pass (arXiv:2312.10376, section 3). The models in
``vit.py`` and ``swin.py`` compute the same by the shortcuts in ``fast/``.

The fusion projects both streams again, attends patch by patch in a loop, and every stream has the
whole batch in every block; gradients are taken everywhere. Attention within a stream runs as timm
wrote it. The tests hold the models to this, and ``benchmarks/step.py`` measures against it.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.layers import drop_path
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor
from torch.nn import functional as F

from sa2vp.models.streams import TwoStreams


def forward(model: TwoStreams, images: Tensor, fusion: str = "exact") -> tuple[Tensor, Tensor]:
    """Compute both logits, ``(B, C)`` each.

    Args:
        model: whose learned arrays, backbone and rates are used, in the mode that it is in.
        images: normalised, ``(B, 3, height, width)``.
        fusion: ``exact`` or ``acc``.
    """
    image_features, prompt_features = forward_features(model, images, fusion)
    return model.head(image_features), model.head(prompt_features)


def forward_features(
    model: TwoStreams, images: Tensor, fusion: str = "exact"
) -> tuple[Tensor, Tensor]:
    """Compute both streams' features, ``(B, D)`` each."""
    if isinstance(model.backbone, SwinTransformer):
        return _swin_features(model, images)
    return _vit_features(model, images, fusion)


def neighbours(row: int, column: int, grid: int) -> list[int]:
    """List the indices of the patches around one patch, itself included."""
    around = [(r, c) for r in range(row - 1, row + 2) for c in range(column - 1, column + 2)]
    return [r * grid + c for r, c in around if 0 <= r < grid and 0 <= c < grid]


def cross_attention(
    block: Any, q_stream: Tensor, kv_stream: Tensor, fusion: str, *, class_token: bool
) -> Tensor:
    """Attend from ``q_stream`` to ``kv_stream``, ``(B, N, D)`` each, one token after the other."""
    attn = block.attn
    batch, tokens, dim = q_stream.shape
    prefix = int(class_token)
    grid = int((tokens - prefix) ** 0.5)
    heads = 1 if fusion == "acc" else attn.num_heads
    weights, biases = attn.qkv.weight.chunk(3), attn.qkv.bias.chunk(3)
    normed_q, normed_kv = block.norm1(q_stream), block.norm1(kv_stream)
    queries, keys, values = (
        F.linear(stream, weight, bias).unflatten(2, (heads, dim // heads)).transpose(1, 2)
        for stream, weight, bias in zip(
            (normed_q, normed_kv, normed_kv), weights, biases, strict=True
        )
    )
    mixed = []
    for token in range(tokens):
        seen, outside = list(range(tokens)), 0
        if token >= prefix:
            seen = [prefix + patch for patch in neighbours(*divmod(token - prefix, grid), grid)]
            outside = 9 - len(seen) if fusion == "acc" else 0
        seen_keys, seen_values = (F.pad(t[:, :, seen], (0, 0, 0, outside)) for t in (keys, values))
        query = queries[:, :, token : token + 1] * (dim // heads) ** -0.5
        mixed.append((query @ seen_keys.transpose(2, 3)).softmax(3) @ seen_values)
    merged = torch.cat(mixed, dim=2).transpose(1, 2).reshape(batch, tokens, dim)
    return attn.proj(merged)  # type: ignore[no-any-return]


def _fuse(
    model: TwoStreams, index: int, block: Any, q_stream: Tensor, kv_stream: Tensor, fusion: str
) -> Tensor:
    """Adapt ``q_stream`` to ``kv_stream``; what is added to it after the block."""
    class_token = not isinstance(model.backbone, SwinTransformer)
    learned: Any = model.fusion[index]
    dropout = learned.dropout
    attended = cross_attention(block, q_stream, kv_stream, fusion, class_token=class_token)
    normed = learned.norm(dropout(attended) + q_stream)
    hidden = dropout(F.gelu(learned.down(normed)))
    adapted: Tensor = model.inter_weight * dropout(learned.up(hidden))
    return adapted


def _vit_features(model: TwoStreams, images: Tensor, fusion: str) -> tuple[Tensor, Tensor]:
    learned: Any = model
    backbone: Any = model.backbone
    depth = len(backbone.blocks)
    thirds = [0, depth // 3, 2 * depth // 3]
    class_token = backbone.cls_token.expand(len(images), -1, -1)
    x = torch.cat([class_token, backbone.patch_embed(images)], dim=1) + backbone.pos_embed
    p = model.prompt_proj(model.prompt.expand(len(images), -1, -1)) + backbone.pos_embed
    x, p = learned.dropout(x), learned.dropout(p)

    def run(block: Any, tokens: Tensor) -> Tensor:
        tokens = tokens + block.ls1(block.attn(block.norm1(tokens)))
        hidden = learned.dropout(block.mlp.act(block.mlp.fc1(block.norm2(tokens))))
        branch: Tensor = block.ls2(learned.dropout(block.mlp.fc2(hidden)))
        return tokens + branch

    for index, block in enumerate(backbone.blocks):
        if index in thirds:
            adapted = _fuse(model, index, block, p, x, fusion)
            x, p = run(block, x), run(block, p)
            if index > 0:
                j = thirds.index(index) - 1
                deep = learned.deep_prompt[j].expand(len(images), -1, -1)
                p = p + learned.deep_scale[j] * run(block, learned.deep_proj[j](deep))
            p = p + adapted
        else:
            adapted = _fuse(model, index, block, x, p, fusion)
            x, p = run(block, x) + adapted, run(block, p)
    return backbone.norm(x)[:, 0], backbone.norm(p)[:, 0]


def _swin_features(model: TwoStreams, images: Tensor) -> tuple[Tensor, Tensor]:
    learned: Any = model
    backbone: Any = model.backbone
    depths = [len(stage.blocks) for stage in backbone.layers]
    x = backbone.patch_embed(images)
    p = backbone.patch_embed.norm(model.prompt_proj(model.prompt.expand(len(images), -1, -1)))
    p = p.view(x.shape)
    rates = iter(learned.drop_path_rates)

    def run(block: Any, tokens: Tensor, rate: float) -> Tensor:
        attended = block._attn(block.norm1(tokens))
        tokens = tokens + drop_path(attended, rate, model.training)
        branch = block.mlp(block.norm2(tokens))
        out: Tensor = tokens + drop_path(branch, rate, model.training)
        return out

    for stage, depth in zip(backbone.layers, depths, strict=True):
        x, p = stage.downsample(x), stage.downsample(p)
        for index, (block, rate) in enumerate(zip(stage.blocks, rates, strict=False)):
            if depth != max(depths):
                x, p = run(block, x, rate), run(block, p, rate)
                continue
            prompts_adapt = index in (0, depth // 3, 2 * depth // 3)
            q, kv = (p, x) if prompts_adapt else (x, p)
            fused = _fuse(model, index, block, q.flatten(1, 2), kv.flatten(1, 2), "exact")
            x, p = run(block, x, rate), run(block, p, rate)
            adapted = fused.view(x.shape)
            x, p = (x, p + adapted) if prompts_adapt else (x + adapted, p)
    return backbone.norm(x).mean((1, 2)), backbone.norm(p).mean((1, 2))
