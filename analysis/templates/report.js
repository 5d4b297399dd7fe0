"use strict";
// A press on a column's name sorts by it, the largest first, and turns the order when repeated.
// Means stay below the rows that they average, and what is empty below what is not.
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => {
      const ascending = header.getAttribute("aria-sort") === "descending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const body = table.tBodies[0];
      const keyOf = (row) => row.cells[column].dataset.key;
      const rows = [...body.rows].filter((row) => !row.classList.contains("mean"));
      const means = [...body.rows].filter((row) => row.classList.contains("mean"));
      const known = rows.filter((row) => keyOf(row) !== "");
      const empty = rows.filter((row) => keyOf(row) === "");
      const asNumbers = known.every((row) => !Number.isNaN(Number(keyOf(row))));
      known.sort((one, other) => {
        const order = asNumbers
          ? Number(keyOf(one)) - Number(keyOf(other))
          : keyOf(one).localeCompare(keyOf(other));
        return ascending ? order : -order;
      });
      body.append(...known, ...empty, ...means);
    });
  });
}
