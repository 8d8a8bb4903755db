from pipeline.networks.randomness import Purpose, generator


def test_every_epoch_has_an_order_of_its_own_that_follows_from_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        return tuple(generator(seed, Purpose.ORDER, epoch).permutation(100))

    assert len({order(100, 0), order(100, 1), order(101, 1)}) == 3
    assert order(100, 1) == order(100, 1)


def test_no_purpose_shares_the_numbers_of_another() -> None:
    assert len({generator(100, purpose, 0).integers(2**63) for purpose in Purpose}) == len(Purpose)
