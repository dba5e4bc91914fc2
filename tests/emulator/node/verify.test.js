// A small project's own tests, through the official SDK, against an emulator at VERIFY_BASE_URL.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import twilio from "twilio";

const base = process.env.VERIFY_BASE_URL;
const sid = process.env.TWILIO_VERIFY_SERVICE_SID;
const client = twilio(process.env.TWILIO_ACCOUNT_SID, process.env.TWILIO_AUTH_TOKEN);
client.verify.baseUrl = base;

const latest = async (to) => {
  const answer = await fetch(`${base}/emulator/messages?to=${encodeURIComponent(to)}`);
  return (await answer.json()).messages[0];
};

// The code of an authenticator app (RFC 6238).
const appCode = (secret, seconds) => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((c) => alphabet.indexOf(c).toString(2).padStart(5, "0")).join("");
  const seed = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(seconds / 30)));
  const digest = createHmac("sha1", seed).update(counter).digest();
  const start = digest[19] & 15;
  return String((digest.readUInt32BE(start) & 0x7fffffff) % 1000000).padStart(6, "0");
};

test("a service, a verification and its check", async () => {
  const service = await client.verify.v2.services.create({ friendlyName: "Node" });
  const scope = client.verify.v2.services(service.sid);
  assert.equal((await scope.fetch()).friendlyName, "Node");
  const to = "+14155552671";
  const started = await scope.verifications.create({ to, channel: "sms" });
  assert.equal(started.status, "pending");
  const { code, body } = await latest(to);
  assert.ok(body.includes(code));
  const wrong = await scope.verificationChecks.create({ to, code: "000000" });
  assert.equal(wrong.status, "pending");
  const right = await scope.verificationChecks.create({ to, code });
  assert.deepEqual([right.status, right.valid], ["approved", true]);
  await assert.rejects(scope.verificationChecks.create({ to, code }), { status: 404 });
});

test("the service that is there at first", async () => {
  const scope = client.verify.v2.services(sid);
  const started = await scope.verifications.create({ to: "+15550005555", channel: "call" });
  assert.equal(started.serviceSid, sid);
  const canceled = await scope.verifications(started.sid).update({ status: "canceled" });
  assert.equal(canceled.status, "canceled");
});

test("an authenticator app and its challenge", async () => {
  const entity = client.verify.v2.services(sid).entities("node-0001");
  const factor = await entity.newFactors.create({ friendlyName: "Phone", factorType: "totp" });
  const now = Math.floor(Date.now() / 1000);
  const proved = await entity
    .factors(factor.sid)
    .update({ authPayload: appCode(factor.binding.secret, now) });
  assert.equal(proved.status, "verified");
  const challenge = await entity.challenges.create({
    factorSid: factor.sid,
    authPayload: appCode(factor.binding.secret, now + 30),
  });
  assert.equal(challenge.status, "approved");
});
