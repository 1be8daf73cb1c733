import pytest

from entrepot.blobs.contract import Driver
from entrepot.blobs.drivers.memory import Memory
from tests.contract.blobs import DriverContract


class TestMemory(DriverContract):
    @pytest.fixture
    def driver(self) -> Driver:
        return Memory()
