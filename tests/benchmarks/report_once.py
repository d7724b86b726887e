"""Write the report of an index once. Prints JSON: the seconds that it took.

Arguments: the index, and where the page goes.
"""

import json
import sys
import time

from jobs.report import report

if __name__ == "__main__":
    start = time.perf_counter()
    report(sys.argv[1], sys.argv[2])
    print(json.dumps({"seconds": time.perf_counter() - start}))
