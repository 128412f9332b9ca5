#!/usr/bin/env python3
# stockbmc.py ADDR: pyghmi's BMC as it is (and as VirtualBMC uses it) on ADDR:623: answers every suite with 3, and says nothing to an unknown user
import sys, uuid
from pyghmi.ipmi import bmc

class Stock(bmc.Bmc):
    power, boot = 'off', 'default'
    def get_system_guid(self): return self.uuid
    def get_boot_device(self): return self.boot
    def set_boot_device(self, d): self.boot = d
    def cold_reset(self): return 0
    def get_power_state(self): return self.power
    def power_off(self): self.power = 'off'
    def power_on(self): self.power = 'on'
    def power_cycle(self): return None if self.power == 'on' else 0xd5
    def power_reset(self): return self.power_cycle()
    def power_shutdown(self): self.power = 'off'
    def is_active(self): return self.power == 'on'
b = Stock({'admin': 'secret'}, port=623, address=sys.argv[1], bmcuuid=uuid.UUID(int=0xabcff))
print('ready', flush=True)
b.listen()
