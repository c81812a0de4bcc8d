-- Health of an InferenceService of pilotlight.dev. Its status keeps the rules of kstatus
-- (sigs.k8s.io/cli-utils, pkg/kstatus): observedGeneration on the status and on each condition,
-- Reconciling and Stalled present only while true.

local hs = {
  status = "Progressing",
  message = "Waiting for the controller to look at this InferenceService",
}

if obj.metadata.deletionTimestamp ~= nil then
  hs.message = "Pending deletion"
  return hs
end

local status = obj.status
if status == nil or status.conditions == nil then
  return hs
end

-- What is said about an earlier generation says nothing about what was synced last.
local generation = obj.metadata.generation
if generation ~= nil and status.observedGeneration ~= generation then
  hs.message = "Waiting for the controller to look at the latest change"
  return hs
end

local found = {}
for _, condition in ipairs(status.conditions) do
  local seen = condition.observedGeneration
  if seen == nil or generation == nil or seen == generation then
    found[condition.type] = condition
  end
end

local function say(word, condition)
  hs.status = word
  hs.message = condition.message or condition.reason or condition.type
  return hs
end

local function is(condition, value)
  return condition ~= nil and condition.status == value
end

local ready = found["Ready"]

-- Somebody has to act, even where an earlier revision still answers.
if is(found["Stalled"], "True") then
  return say("Degraded", found["Stalled"])
end

-- As its owner wants it.
if is(found["Stopped"], "True") then
  return say("Suspended", found["Stopped"])
end

local transition = nil
if status.modelStatus ~= nil then
  transition = status.modelStatus.transitionStatus
end
if is(ready, "False") and (transition == "BlockedByFailedLoad" or transition == "InvalidSpec") then
  return say("Degraded", ready)
end

if is(found["Reconciling"], "True") then
  return say("Progressing", found["Reconciling"])
end

-- Scaled to zero is Ready: the next request starts a pod.
if is(ready, "True") then
  return say("Healthy", ready)
end

-- Not ready, and nothing is under way that would change it.
if is(ready, "False") then
  return say("Degraded", ready)
end

if ready ~= nil then
  return say("Progressing", ready)
end

return hs
