"""What the model card says of how a model was made: each kind of network, and each part of a recipe."""

from dataclasses import replace

from pipeline.params.recipe import Recipe
from pipeline.params.runs import ConvolutionalNetwork, DenseNetwork
from pipeline.reporting.model_card import limits, training

PLAIN = Recipe(50, 128, "float32", 1e-3)


def said(network: ConvolutionalNetwork | DenseNetwork, recipe: Recipe = PLAIN) -> dict[str, str]:
    return {row[0]: row[1] for row in training(network, recipe)}


def test_a_convolutional_network_is_described_by_its_blocks() -> None:
    rows = said(ConvolutionalNetwork((32, 64), 0.1, looks="mirrored"))
    assert rows["widths of the blocks"] == "32, 64"
    assert "it whitens those of the training images" in rows["first layer"]
    assert "two convolutions of 3 by 3" in rows["each block"]
    assert rows["dropout"] == "0.1"
    assert rows["averaged for an answer"] == "the image and its mirror image"
    assert "hidden units" not in rows
    assert said(ConvolutionalNetwork((32,), whitening=False))["first layer"].endswith("trained")


def test_a_dense_network_is_described_by_its_layers_and_what_it_sees() -> None:
    network = DenseNetwork((16, 16), (0.0, 1e-4), (0.0, 0.5), True, True, 12, "mirrored-shifted")
    rows = said(network)
    assert [rows[name] for name in ("hidden units", "L2", "dropout")] == ["16, 16", "0, 0.0001", "0, 0.5"]
    assert rows["input"] == "the lowest 12 spatial frequencies each way, by colour"
    assert {"batch normalisation", "residual"} <= set(rows)
    assert rows["averaged for an answer"].endswith("and two copies shifted by a pixel, mirrored too")
    assert {"input", "batch normalisation", "residual", "averaged for an answer"}.isdisjoint(said(DenseNetwork((16,))))


def test_each_part_of_a_recipe_is_said_and_no_other() -> None:
    assert {"augmentation", "label smoothing", "averaged weights"}.isdisjoint(said(DenseNetwork()))
    recipe = Recipe(
        9,
        64,
        "mixed_bfloat16",
        0.2,
        optimiser="sgd",
        momentum=0.8,
        weight_decay=0.01,
        bias_rate_factor=16,
        schedule="linear",
        warm_up=0.25,
        final_rate=0.5,
        label_smoothing=0.1,
        flip="alternating",
        shift=1,
        cutout=8,
        mixup=0.2,
        average_every=5,
        average_decay=0.9,
    )
    rows = said(DenseNetwork(), recipe)
    assert rows["optimiser"] == (
        "SGD, Nesterov momentum 0.8, weight decay 0.01 (decoupled), rate of biases and offsets times 16"
    )
    assert rows["learning rate"] == "rises to 0.2 over 25% of the steps, falls linearly to 0.1"
    assert rows["augmentation"] == "alternating flips, shifts of 1 pixel, cutout of 8 pixels, mixup 0.2"
    assert rows["averaged weights"] == "moved every 5 steps, decay 0.9"
    assert (rows["label smoothing"], rows["patience"]) == ("0.1", "no early stopping")
    assert (rows["epochs"], rows["batch size"], rows["precision"]) == ("9", "64", "mixed_bfloat16")
    assert said(DenseNetwork(), replace(recipe, patience=3))["epochs"] == "at most 9"


def test_only_a_dense_network_that_saw_no_shifted_image_is_said_to_depend_on_the_place() -> None:
    def depends(network: ConvolutionalNetwork | DenseNetwork, recipe: Recipe) -> bool:
        return any("trained without shifts" in limit for limit in limits(network, recipe))

    assert depends(DenseNetwork(), PLAIN)
    assert not depends(DenseNetwork(), replace(PLAIN, shift=1))
    assert not depends(ConvolutionalNetwork((32,)), PLAIN)
