// Runs a schedule on paper, without the planner: what it claims is checked, not believed.

/** Peak bytes and cost of a schedule; throws where an operand is not there. */
export function replay({ tasks, bytes }, order) {
  // Of each run: the runs that made what it reads.
  const made = new Array(bytes.length).fill(-1)
  const end = new Array(order.length).fill(-1)
  let cost = 0
  order.forEach((task, t) => {
    for (const value of tasks[task].reads) {
      if (made[value] < 0) throw new Error(`run ${t} of task ${task} reads value ${value} before it is made`)
      end[made[value]] = t
    }
    for (const value of tasks[task].writes) made[value] = t
    end[t] = t
    cost += tasks[task].cost
  })
  const change = new Array(order.length + 1).fill(0)
  order.forEach((task, t) => {
    // One value a task: the run and its value live equally long.
    for (const value of tasks[task].writes) {
      change[t] += bytes[value]
      change[end[t] + 1] -= bytes[value]
    }
  })
  let live = 0
  const peak = change.reduce((most, c) => Math.max(most, (live += c)), 0)
  return { peak, cost }
}
