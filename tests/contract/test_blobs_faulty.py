import pytest
from tests.contract.blobs import DriverContract

from entrepot.blobs.contract import Driver
from entrepot.blobs.drivers.faulty import Faulty
from entrepot.blobs.drivers.memory import Memory


class TestFaultyWithoutFaults(DriverContract):
    @pytest.fixture
    def driver(self) -> Driver:
        return Faulty(Memory())
