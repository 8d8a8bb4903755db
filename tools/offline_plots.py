"""Write an HTML template for DVC's plots that holds Vega itself; DVC's own fetches it whenever the page is opened.

python tools/offline_plots.py TEMPLATE takes the packages from the npm registry (another one: NPM_CONFIG_REGISTRY) and
checks them; a megabyte, so the template is made on each machine and not kept in git.
"""

import base64
import hashlib
import io
import os
import sys
import tarfile
from pathlib import Path

import requests

# The versions that DVC's own page asks for.
PACKAGES = {
    "vega-5.20.2": "qmH7aD9GGPpssVdxL1xgcdxTbQzyRUeRR16Os385ymvQhiwCYQNA6+eXUPAZDTVLfk0RXu6Jzj6kUE5jQ80EVw==",
    "vega-lite-5.2.0": "Yxcg8MvYfxHcG6BbkaKT0oVCIMIcE19UvqIsEwBmyd/7h2nzW7oRnID81T8UrY7hpDrIr6wa2JADOT2dhGNErw==",
    "vega-embed-6.18.2": "wcDyQPE4J5aiCDc3/suH5RQDvrKkjuLkhzUcbOLwEkNF8/+pp17tS0JghzEvAPNRg+5aG1/N2ydixq8Lk3dOlg==",
}
PAGE = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>Plots</title>
{refresh_tag}
%s
<script>
  // Sharp at any size, and what is drawn can be searched and counted.
  const embed = vegaEmbed;
  vegaEmbed = (element, spec) => embed(element, spec, {renderer: "svg"});
</script>
<style>body { font-family: sans-serif; max-width: 1100px; margin: auto } img { max-width: 100%% }</style>
</head>
<body>
<h1>Plots</h1>
{plot_divs}
<script>
  // DVC sorts by file; a reader knows the order of metrics/report.md. What belongs to no part comes last.
  const parts = [
    ["All runs", /figures_accuracy/],
    ["The images", /figures_samples/],
    ["Baseline", /curves_baseline/, /_baseline-/],
    ["Scale", /curves_scale/, /_scale-/],
    ["Regularisation", /curves_techniques/, /curves_joint/, /curves_headline/, /_ablation-/],
    ["The model to try ideas on", /curves_regularise/, /_regularise-/],
    ["Searches and their winners", /curves_tune/, /_tune-/, /figures_search_|-trials_csv/],
    ["Other networks and recipes", /curves_beyond/, /_beyond-/],
    ["What accuracy costs", /figures_cost/],
    ["The selected run on the test images", /figures_confusion/, /_confusion/, /figures_mistakes/, /figures_reliab/],
    ["Others", /./],
  ];
  const plots = [...document.querySelectorAll("body > div[id]")];
  const searches = plots.map(plot => /^metrics_(.*)-trials_csv$/.exec(plot.id)?.[1]).filter(Boolean);
  const place = plot => {
    const part = parts.findIndex(([, ...names]) => names.some(name => name.test(plot.id)));
    const name = parts[part].findIndex((name, index) => index && name.test(plot.id));
    const search = searches.findIndex(run => [`_${run}-trials_`, `_search_${run}_`].some(id => plot.id.includes(id)));
    return [part, name, search];
  };
  const compare = (one, other) => one.reduce((found, value, index) => found || value - other[index], 0);
  const placed = plots.map(plot => [place(plot), plot]).sort(([one], [other]) => compare(one, other));
  placed.forEach(([[part], plot], index) => {
    if (!index || placed[index - 1][0][0] !== part) {
      const heading = document.createElement("h2");
      heading.textContent = parts[part][0];
      document.body.append(heading);
    }
    document.body.append(plot);
  });
</script>
</body>
</html>
"""


def script(package: str, digest: str) -> str:
    """The minified program of ``package``, whose archive must have ``digest`` (sha512, base 64)."""
    name = package.rpartition("-")[0]
    registry = os.environ.get("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org").rstrip("/")
    response = requests.get(f"{registry}/{name}/-/{package}.tgz", timeout=60)
    response.raise_for_status()
    if base64.b64encode(hashlib.sha512(response.content).digest()).decode() != digest:
        sys.exit(f"offline_plots: {response.url} is not the package that is pinned here")
    with tarfile.open(fileobj=io.BytesIO(response.content)) as archive:
        member = archive.extractfile(f"package/build/{name}.min.js")
        assert member is not None
        # The end of a script within a string of it would end it for the browser.
        return "<script>" + member.read().decode().replace("</script", r"<\/script") + "</script>"


def main(template: Path) -> None:
    """Write ``template``."""
    try:
        scripts = [script(package, digest) for package, digest in PACKAGES.items()]
    except requests.RequestException as error:
        sys.exit(f"offline_plots: {error}")
    temporary = template.with_suffix(".part")
    temporary.write_text(PAGE % "\n".join(scripts), encoding="utf-8")
    temporary.replace(template)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
