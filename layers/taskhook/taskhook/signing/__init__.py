"""The four signatures that the providers ask for, each as a ``requests`` auth object.

Time and nonce are arguments, so one instance signs any number of requests: every attempt must be signed anew, because a
provider takes a repeated nonce for a replay. The host that is signed is the host that is called.
"""

from taskhook.signing.acs3 import ACS3Auth
from taskhook.signing.roa1 import ROA1Auth
from taskhook.signing.tc3 import TC3Auth
from taskhook.signing.tencent_v2 import TencentV2Auth

__all__ = ["ACS3Auth", "ROA1Auth", "TC3Auth", "TencentV2Auth"]
