// The sign-in page: another captcha, its sound, showing the password.

const form = document.getElementById("login");
const audio = document.getElementById("captcha-audio");

async function anotherCaptcha(button) {
  const answer = await fetch(button.dataset.captchaRefresh).catch(() => null);
  if (!answer?.ok) return location.reload();
  const captcha = await answer.json();
  document.getElementById("captcha-token").value = captcha.token;
  document.getElementById("captcha-image").src = captcha.image_url;
  if (audio) audio.src = captcha.audio_url;
  form.querySelector(".captcha input").select();
}

form.addEventListener("click", ({ target }) => {
  const refresh = target.closest("[data-captcha-refresh]");
  if (refresh) anotherCaptcha(refresh);

  if (target.closest("[data-captcha-play]")) audio.play();

  const eye = target.closest("[data-show-password]");
  if (eye) {
    const field = document.getElementById(eye.dataset.showPassword);
    field.type = field.type === "password" ? "text" : "password";
    eye.ariaPressed = String(field.type === "text");
  }
});

form.addEventListener("submit", () => (form.querySelector(".login-submit").disabled = true));
addEventListener("pageshow", () => (form.querySelector(".login-submit").disabled = false));
