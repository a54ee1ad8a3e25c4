/* monitor_api.c - PyMonitoring_*: events fired by C code (Cython) for code of its own.
 *
 * The C code keeps one state byte per event: which tools want it. PyMonitoring_EnterScope
 * refreshes them when what is wanted has changed; the headers' inline functions test them
 * and call the functions here.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "vm/vm_int.h"

#define LOCAL_EVENTS 11
#define USER_TOOLS 6

int
PyMonitoring_EnterScope(PyMonitoringState *state_array, uint64_t *version,
                        const uint8_t *event_types, Py_ssize_t length)
{
    NjMonitor *m = &nj_interp()->vm.monitor;
    if (*version == m->version + 1) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < length; i++) {
        /* C_RETURN and C_RAISE go with the calls of the evaluator alone */
        bool own = event_types[i] < PY_MONITORING_EVENT_C_RETURN;
        state_array[i].active = own ? m->tools[event_types[i]] & ((1 << USER_TOOLS) - 1) : 0;
    }
    *version = m->version + 1; /* 0 is the caller's "never" */
    return 0;
}

int
PyMonitoring_ExitScope(void)
{
    return 0;
}

static int
fire(PyMonitoringState *state, PyObject *codelike, int32_t offset, int event,
     PyObject **extra, int nextra)
{
    PyThreadState *tstate = nj_tstate();
    NjMonitor *m = &tstate->interp->vm.monitor;
    unsigned tools = state->active;
    if (tools == 0 || tstate->tracing) {
        return 0;
    }
    NJ_OWN place = NULL;
    PyObject *args[6] = {NULL, codelike};
    int n = 1;
    if (event == PY_MONITORING_EVENT_LINE) {
        args[1 + n++] = extra[0];
    }
    else {
        place = PyLong_FromLong(offset);
        if (place == NULL) {
            return -1;
        }
        args[1 + n++] = place;
        for (int i = 0; i < nextra; i++) {
            args[1 + n++] = extra[i];
        }
    }
    for (int t = 0; t < USER_TOOLS; t++) {
        if (!(tools & (1u << t))) {
            continue;
        }
        PyObject *cb = m->callbacks[t][event];
        if (cb == NULL && (event == PY_MONITORING_EVENT_BRANCH_LEFT ||
                           event == PY_MONITORING_EVENT_BRANCH_RIGHT)) {
            cb = m->callbacks[t][PY_MONITORING_EVENT_BRANCH];
        }
        if (cb == NULL) {
            continue;
        }
        Py_INCREF(cb);
        int old = tstate->what_event;
        tstate->what_event = event;
        tstate->tracing++;
        PyObject *r = PyObject_Vectorcall(
            cb, args + 1, (size_t)n | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        tstate->tracing--;
        tstate->what_event = old;
        Py_DECREF(cb);
        if (r == NULL) {
            return -1;
        }
        bool disable = r == m->disable;
        Py_DECREF(r);
        if (disable) {
            if (event >= LOCAL_EVENTS && event < PY_MONITORING_EVENT_C_RETURN) {
                PyErr_Format(PyExc_ValueError,
                             "Cannot disable %s events. Callback removed.",
                             nj_monitor_event_name(event));
                Py_CLEAR(m->callbacks[t][event]);
                return -1;
            }
            state->active &= (uint8_t)~(1u << t);
        }
    }
    return 0;
}

/* Events about the exception that is set: it is given to the callbacks and stays set. */
static int
fire_exc(PyMonitoringState *state, PyObject *codelike, int32_t offset, int event)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (exc == NULL) {
        PyErr_Format(PyExc_ValueError, "Firing event %d with no exception set", event);
        return -1;
    }
    int rc = fire(state, codelike, offset, event, &exc, 1);
    if (rc < 0) {
        Py_DECREF(exc);
        return -1;
    }
    PyErr_SetRaisedException(exc);
    return 0;
}

#define EV(name) PY_MONITORING_EVENT_##name

int
_PyMonitoring_FirePyStartEvent(PyMonitoringState *state, PyObject *codelike, int32_t offset)
{
    return fire(state, codelike, offset, EV(PY_START), NULL, 0);
}

int
_PyMonitoring_FirePyResumeEvent(PyMonitoringState *state, PyObject *codelike,
                                int32_t offset)
{
    return fire(state, codelike, offset, EV(PY_RESUME), NULL, 0);
}

int
_PyMonitoring_FirePyReturnEvent(PyMonitoringState *state, PyObject *codelike,
                                int32_t offset, PyObject *retval)
{
    return fire(state, codelike, offset, EV(PY_RETURN), &retval, 1);
}

int
_PyMonitoring_FirePyYieldEvent(PyMonitoringState *state, PyObject *codelike, int32_t offset,
                               PyObject *retval)
{
    return fire(state, codelike, offset, EV(PY_YIELD), &retval, 1);
}

int
_PyMonitoring_FireCallEvent(PyMonitoringState *state, PyObject *codelike, int32_t offset,
                            PyObject *callable, PyObject *arg0)
{
    PyObject *extra[2] = {callable, arg0};
    return fire(state, codelike, offset, EV(CALL), extra, 2);
}

int
_PyMonitoring_FireLineEvent(PyMonitoringState *state, PyObject *codelike, int32_t offset,
                            int lineno)
{
    NJ_OWN line = PyLong_FromLong(lineno);
    if (line == NULL) {
        return -1;
    }
    PyObject *extra[1] = {line};
    return fire(state, codelike, offset, EV(LINE), extra, 1);
}

int
_PyMonitoring_FireJumpEvent(PyMonitoringState *state, PyObject *codelike, int32_t offset,
                            PyObject *target)
{
    return fire(state, codelike, offset, EV(JUMP), &target, 1);
}

int
_PyMonitoring_FireBranchEvent(PyMonitoringState *state, PyObject *codelike, int32_t offset,
                              PyObject *target)
{
    return fire(state, codelike, offset, EV(BRANCH_RIGHT), &target, 1);
}

int
_PyMonitoring_FireBranchRightEvent(PyMonitoringState *state, PyObject *codelike,
                                   int32_t offset, PyObject *target)
{
    return fire(state, codelike, offset, EV(BRANCH_RIGHT), &target, 1);
}

int
_PyMonitoring_FireBranchLeftEvent(PyMonitoringState *state, PyObject *codelike,
                                  int32_t offset, PyObject *target)
{
    return fire(state, codelike, offset, EV(BRANCH_LEFT), &target, 1);
}

int
_PyMonitoring_FireCReturnEvent(PyMonitoringState *state, PyObject *codelike, int32_t offset,
                               PyObject *retval)
{
    return fire(state, codelike, offset, EV(C_RETURN), &retval, 1);
}

int
_PyMonitoring_FirePyThrowEvent(PyMonitoringState *state, PyObject *codelike, int32_t offset)
{
    return fire_exc(state, codelike, offset, EV(PY_THROW));
}

int
_PyMonitoring_FireRaiseEvent(PyMonitoringState *state, PyObject *codelike, int32_t offset)
{
    return fire_exc(state, codelike, offset, EV(RAISE));
}

int
_PyMonitoring_FireReraiseEvent(PyMonitoringState *state, PyObject *codelike, int32_t offset)
{
    return fire_exc(state, codelike, offset, EV(RERAISE));
}

int
_PyMonitoring_FireExceptionHandledEvent(PyMonitoringState *state, PyObject *codelike,
                                        int32_t offset)
{
    return fire_exc(state, codelike, offset, EV(EXCEPTION_HANDLED));
}

int
_PyMonitoring_FireCRaiseEvent(PyMonitoringState *state, PyObject *codelike, int32_t offset)
{
    return fire_exc(state, codelike, offset, EV(C_RAISE));
}

int
_PyMonitoring_FirePyUnwindEvent(PyMonitoringState *state, PyObject *codelike, int32_t offset)
{
    return fire_exc(state, codelike, offset, EV(PY_UNWIND));
}

int
_PyMonitoring_FireStopIterationEvent(PyMonitoringState *state, PyObject *codelike,
                                     int32_t offset, PyObject *value)
{
    /* wraps the value as the exception would carry it */
    NJ_OWN exc = NULL;
    if (value != NULL && PyExceptionInstance_Check(value) &&
        PyErr_GivenExceptionMatches(value, PyExc_StopIteration)) {
        exc = Py_NewRef(value);
    }
    else {
        exc = PyObject_CallOneArg(PyExc_StopIteration, value ? value : Py_None);
        if (exc == NULL) {
            return -1;
        }
    }
    PyObject *extra[1] = {exc};
    return fire(state, codelike, offset, EV(STOP_ITERATION), extra, 1);
}
