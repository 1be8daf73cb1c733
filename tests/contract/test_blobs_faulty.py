import pytest

from entrepot.blobs.contract import Driver
from entrepot.blobs.drivers.faulty import Faulty
from entrepot.blobs.drivers.memory import Memory
from tests.contract.blobs import DriverContract


class TestFaultyWithoutFaults(DriverContract):
    @pytest.fixture
    def driver(self) -> Driver:
        return Faulty(Memory())
