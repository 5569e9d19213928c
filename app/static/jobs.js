// While a job of the list is not finished, the list is looked at again every few seconds; not while somebody ticks rows.

const LOOK_AGAIN = 3000;

function isUnfinished() {
  return document.querySelector("#list .state-waiting, #list .state-running");
}

function isBusy() {
  return document.querySelector("#list tbody input:checked, .modal.show, .dropdown-menu.show");
}

setInterval(() => {
  if (isUnfinished() && !isBusy() && !document.hidden) location.reload();
}, LOOK_AGAIN);
