// Sends the answer to the application at once. Without this file its button does the same.

document.getElementById("form-post")?.requestSubmit();
