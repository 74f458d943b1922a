function proof(text) { document.getElementById('proof').textContent = text; }
